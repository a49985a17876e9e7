"""Our finalizer on objects: put on before anything is done for one, taken off when nothing is left of that."""

import asyncio

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads


class Finalizers:
    """Holds objects, and lets go of them once. Belongs to one event loop."""

    def __init__(self, registry: Registry, cluster: Cluster, threads: Threads) -> None:
        self._registry = registry
        self._cluster = cluster
        self._threads = threads
        self._freed: set[str] = set()
        """By uid: what is taken away for one object is not for the next of its name."""
        self._awaited: dict[str, asyncio.Event] = {}

    async def held(self, key: Key) -> Live | None:
        """The object with our finalizer on it; None when it does not exist, or goes without us.

        Raises:
            NotYet: the finalizer could not be put on.
        """
        live = self._registry.get(key)
        if live is None or live.held:
            return live
        if live.deleting:
            return None
        stored = await self._threads.call(self._cluster.hold, live.body, timeout=CLUSTER_SECONDS)
        if stored is None or not self._registry.renew(key, stored):
            return None
        live = self._registry.get(key)
        return live if live is not None and live.held else None

    async def let_go(self, live: Live) -> bool:
        """Take our finalizer off an object of which nothing is left to take back; whether it is gone with that.

        Raises:
            NotYet: it could not be taken off, and is to be tried again.
        """
        self._freed.add(live.uid)
        known = self._registry.get(live.key)
        newest = known if known is not None and known.uid == live.uid else live
        left = await self._threads.call(self._cluster.let_go, newest.body, timeout=CLUSTER_SECONDS)
        if left is not None and left["metadata"].get("finalizers"):
            self._registry.renew(live.key, left)
            self._tell(live.uid)
            return False
        return True

    def is_freed(self, uid: str) -> bool:
        """Whether only the finalizer is left to go."""
        return uid in self._freed

    def ended(self, uid: str) -> bool:
        """The object is gone; whether nothing was left of what it had caused."""
        freed = uid in self._freed
        self._freed.discard(uid)
        self._tell(uid)
        return freed

    async def gone(self, uid: str) -> None:
        """Return when our finalizer is off the object, or it is gone."""
        await self._awaited.setdefault(uid, asyncio.Event()).wait()

    def _tell(self, uid: str) -> None:
        waiting = self._awaited.pop(uid, None)
        if waiting is not None:
            waiting.set()
