"""Lets go of objects whose definition is being deleted and that no watch shows: nothing else would end them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.adapters.cluster.definitions import Definition, Definitions
from cloudsql_iam_operator.api.names import Kind
from cloudsql_iam_operator.services.runtime.engine import Engine
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS, key_of, uid_of
from cloudsql_iam_operator.services.runtime.threads import Threads


class Departures:
    """Kinds that come and go while the process runs. Belongs to one event loop."""

    def __init__(self, engine: Engine, definitions: Definitions, threads: Threads) -> None:
        self._engine = engine
        self._definitions = definitions
        self._threads = threads

    async def definitions(self) -> tuple[Definition, ...]:
        """The definitions of our kinds that there are.

        Raises:
            NotYet: the API server did not answer.
        """
        return await self._threads.call(self._definitions.all, timeout=CLUSTER_SECONDS)

    async def see_off(self, kind: Kind) -> None:
        """Reconcile the last objects of a kind that is being deleted; return when our finalizer is off them.

        Raises:
            NotYet: the API server did not answer.
        """
        bodies = await self._threads.call(self._definitions.held, kind, timeout=CLUSTER_SECONDS)
        await asyncio.gather(*(self._let_go(body) for body in bodies))

    async def _let_go(self, body: Mapping[str, Any]) -> None:
        key = key_of(body)
        self._engine.seen(key, body)
        await self._engine.removed(key, uid_of(body))
