"""The engine over a registry, a queue and a cluster of ten lines."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from cloudsql_iam_operator.api.names import FINALIZER, INSTANCE, KINDS, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.engine import Engine, Outside
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue

KEY = Key(INSTANCE.name, "", "orders-prod")
HOLDS = Report((Finding(ConditionType.ADMIN_REACHABLE, Reason.SUCCEEDED, "it answers"),), {"state": "RUNNABLE"}, 60.0)


def body(**metadata: Any) -> dict[str, Any]:
    return {
        "kind": INSTANCE.name,
        "metadata": {
            "name": "orders-prod",
            "uid": "u1",
            "generation": 1,
            "resourceVersion": "5",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": [FINALIZER],
            **metadata,
        },
        "spec": {"connectionName": "acme:r:i"},
    }


class MemoryCluster:
    def __init__(self) -> None:
        self.stored: dict[Key, dict[str, Any]] = {}
        self.writes = 0
        self.notices: list[str] = []
        self.finalized: list[tuple[str, tuple[str, ...]]] = []
        self.refusals = 0
        """Changes of finalizers that are refused."""
        self.reasons: list[str] = []
        self.after_list: Callable[[], object] = lambda: None

    def get(self, key: Key) -> dict[str, Any] | None:
        return self.stored.get(key)

    def pages(self, kind: Any) -> Iterator[list[dict[str, Any]]]:
        found = [found for key, found in self.stored.items() if key.kind == kind.name]
        if kind is INSTANCE:
            self.after_list()
        yield from ([each] for each in found)

    def apply_status(self, key: Key, uid: str, status: dict[str, Any]) -> dict[str, Any] | None:
        if key not in self.stored:
            return None
        self.writes += 1
        self.reasons += [condition["reason"] for condition in status["conditions"][:1]]
        before = self.stored[key]
        version = str(int(before["metadata"]["resourceVersion"]) + 1)
        self.stored[key] = {**before, "metadata": {**before["metadata"], "resourceVersion": version}, "status": status}
        return self.stored[key]

    def hold(self, body: dict[str, Any]) -> dict[str, Any] | None:
        return self._finalized(body, [*body["metadata"].get("finalizers", ()), FINALIZER])

    def let_go(self, body: dict[str, Any]) -> dict[str, Any] | None:
        return self._finalized(body, [one for one in body["metadata"]["finalizers"] if one != FINALIZER])

    def _finalized(self, body: dict[str, Any], finalizers: Sequence[str]) -> dict[str, Any] | None:
        """As the API server does: an object that goes is gone with its last finalizer."""
        if self.refusals:
            self.refusals -= 1
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, "the API server answered 422")
        metadata = body["metadata"]
        key = Key(body["kind"], metadata.get("namespace", ""), metadata["name"])
        before = self.stored.get(key)
        if before is None or before["metadata"]["uid"] != metadata["uid"]:
            return None
        self.finalized.append((metadata["uid"], tuple(finalizers)))
        version = str(int(before["metadata"]["resourceVersion"]) + 1)
        after = {**before, "metadata": {**before["metadata"], "finalizers": finalizers, "resourceVersion": version}}
        self.stored[key] = after
        if "deletionTimestamp" in metadata and not finalizers:
            del self.stored[key]
        return after

    def post(self, notice: Any) -> None:
        self.notices.append(notice.reason)


class Told:
    """A story that tells prepared reports, and how often it was asked what."""

    def __init__(self, *reports: Report | Exception) -> None:
        self.reports = list(reports)
        self.asked: list[str] = []
        self.seen: list[Live] = []

    async def reconcile(self, live: Live) -> Report:
        return self._next("reconcile", live)

    async def remove(self, live: Live) -> Report:
        return self._next("remove", live)

    def _next(self, what: str, live: Live) -> Report:
        self.asked.append(what)
        self.seen.append(live)
        report = self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]
        if isinstance(report, Exception):
            raise report
        return report


class Counts:
    def __init__(self) -> None:
        self.seen: list[str] = []

        self.changes: list[tuple[str, str]] = []

    def reconciled(self, kind: str, reason: str, seconds: float) -> None:
        self.seen.append(reason)

    def orphaned(self, project: str, bindings: int) -> None:
        """Nothing here has bindings."""

    def changed(self, kind: str, change: str) -> None:
        self.changes.append((kind, change))


class Scene:
    def __init__(self, story: Told) -> None:
        self.cluster = MemoryCluster()
        self.counts = Counts()
        self.registry = Registry()
        self.queue: WorkQueue[Key] = WorkQueue(Backoff(first=0.01))
        self.forgotten: list[Key] = []
        outside = Outside(self.cluster, Threads(2), self.counts, self.forgotten.append)  # type: ignore[arg-type] # the ten lines above
        self.engine = Engine(self.registry, self.queue, dict.fromkeys((k.name for k in KINDS), story), outside)

    def show(self, seen: dict[str, Any], key: Key = KEY) -> None:
        self.cluster.stored[key] = seen
        self.engine.seen(key, seen)


def play(story: Told, act: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def run() -> Scene:
        scene = Scene(story)
        worker = asyncio.create_task(scene.engine.work())
        await asyncio.wait_for(act(scene), 60)
        worker.cancel()
        return scene

    return asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)
