"""Plans too long for a status: all of a namespace in one ConfigMap, each under a key of its own."""

import gzip
from collections.abc import Sequence

from cloudsql_iam_operator.adapters.cluster.objects import Cluster, Part
from cloudsql_iam_operator.api.names import API_VERSION, PLANS
from cloudsql_iam_operator.core.visibility import visible
from cloudsql_iam_operator.services.runtime.objects import CLUSTER_SECONDS
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.threads import Threads

LONGEST_NAME = 240
"""Characters of a grant's name that fit into the key of a ConfigMap along with what is added."""


class PlanStore:
    """Stores the statements of a plan as gzipped SQL.

    One name in all namespaces, so that the operator may write this ConfigMap and no other (RBAC knows names, no
    patterns). Each grant owns its entry by server-side apply, so that two never overwrite each other.
    """

    def __init__(self, cluster: Cluster, threads: Threads) -> None:
        self._cluster = cluster
        self._threads = threads

    async def put(self, live: Live, statements: Sequence[str]) -> dict[str, str]:
        """Store the statements; where they are, as `status.plan.ref` has it.

        Raises:
            NotYet: the API server did not take them.
        """
        text = "".join(f"{visible(statement)};\n" for statement in statements)
        part = Part(live.key.namespace, PLANS, _manager(live))
        entry = {_entry(live): gzip.compress(text.encode(), mtime=0)}
        await self._threads.call(self._cluster.store, part, entry, _owner(live), timeout=CLUSTER_SECONDS)
        return {"name": PLANS, "key": _entry(live)}

    async def drop(self, live: Live) -> None:
        """Take the grant's entry out, and the ConfigMap away with the last.

        Raises:
            NotYet: the API server did not do it.
        """
        part = Part(live.key.namespace, PLANS, _manager(live))
        await self._threads.call(self._cluster.withdraw, part, timeout=CLUSTER_SECONDS)


def _entry(live: Live) -> str:
    name = live.key.name
    return f"{name if len(name) <= LONGEST_NAME else live.uid}.sql.gz"


def _manager(live: Live) -> str:
    return f"plan-{live.uid}"


def _owner(live: Live) -> dict[str, str]:
    return {
        "apiVersion": API_VERSION,
        "kind": live.key.kind,
        "name": live.key.name,
        "uid": live.uid,
    }
