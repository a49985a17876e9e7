"""How the parts are put together. What each does is in the module of its name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from cloudsql_iam_operator.adapters.cluster.definitions import Definitions
from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.google.client import Fence, Observer, unobserved
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.postgres.connect import Connectors
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, USER, Key
from cloudsql_iam_operator.services.identities.databases import Accesses, Secrets
from cloudsql_iam_operator.services.identities.google import Identities
from cloudsql_iam_operator.services.pods.egress import Egress
from cloudsql_iam_operator.services.reconcilers.grant import GrantReconciler
from cloudsql_iam_operator.services.reconcilers.instance import InstanceReconciler
from cloudsql_iam_operator.services.reconcilers.preview import Previews
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.systems import Systems, now
from cloudsql_iam_operator.services.reconcilers.user import UserReconciler
from cloudsql_iam_operator.services.reconcilers.users.observing import Drifts
from cloudsql_iam_operator.services.runtime.departures import Departures
from cloudsql_iam_operator.services.runtime.engine import Engine, Outside, Reconciler
from cloudsql_iam_operator.services.runtime.engine import Observer as Watcher
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.line import Room
from cloudsql_iam_operator.services.waiting.ranks import Rank

PREVIEW_THREADS = 8


class Counting(Watcher, Drifts, Protocol):
    """Who counts what services report."""


CLUSTER_THREADS = 12
"""Calls to the API server at a time, beside those to the outside."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may be at a time: reconciles, calls to the outside, sessions of one instance."""

    workers: int
    threads: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the process brings along: the cluster, the fence before every write, who counts, and settings."""

    cluster: Cluster
    namespace: str
    fence: Fence
    called: Observer
    watcher: Counting
    endpoints: Endpoints
    cluster_id: str
    pool: Callable[[], str]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Parts:
    """The running parts; `departures` knows which of our kinds are there, `egress` is told of NetworkPolicies.

    `close` ends what the parts hold.
    """

    engine: Engine
    queue: WorkQueue[Key]
    departures: Departures
    egress: Egress
    close: Callable[[], None]


def assemble(wiring: Wiring) -> Parts:
    """The parts, connected. Call in the event loop that they will belong to."""
    limits = wiring.limits
    threads = Threads(limits.threads, CLUSTER_THREADS)
    identities = Identities(wiring.endpoints, wiring.fence, wiring.called)
    connectors = Connectors(_given(wiring.endpoints.sqladmin))
    accesses = Accesses(Secrets(wiring.cluster, wiring.namespace), identities, connectors, wiring.fence)
    systems = Systems(wiring.cluster, threads, identities, accesses, wiring.cluster_id)
    users = UserReconciler(systems, Principals(wiring.cluster, threads, identities, wiring.pool, now), wiring.watcher)
    grants = GrantReconciler(systems)
    systems.announce, systems.record = users.announce, users.record
    systems.lanes.record_grants = grants.record
    reconcilers: dict[str, Reconciler] = {
        INSTANCE.name: InstanceReconciler(systems, wiring.watcher),
        USER.name: users,
        GRANT.name: grants,
    }
    room = Room(limits.workers, max(1, limits.workers // 2))  # a namespace has at most half of it
    queue: WorkQueue[Key] = WorkQueue(Backoff(), room=room, place=lambda key: key.namespace)
    systems.lanes.sessions = limits.sessions
    systems.lanes.tell = users.handing.wake = users.egress.wake = lambda key: queue.add(key, Rank.FIRST)
    systems.lanes.under_way = lambda: queue.under_way
    outside = Outside(wiring.cluster, threads, wiring.watcher, systems.forget)
    engine = Engine(systems.registry, queue, reconcilers, outside)
    engine.press = systems.lanes.press

    def close() -> None:
        systems.lanes.close()
        accesses.close()
        threads.close()

    return Parts(engine, queue, Departures(engine, Definitions(wiring.cluster), threads), users.egress, close)


@contextmanager
def previewing(cluster: Cluster, namespace: str, endpoints: Endpoints) -> Iterator[Previews]:
    """The parts that read and never write, for as long as the block runs. Enter in the event loop they belong to."""
    threads = Threads(PREVIEW_THREADS)
    identities = Identities(endpoints, _no_writing, unobserved)
    connectors = Connectors(_given(endpoints.sqladmin))
    accesses = Accesses(Secrets(cluster, namespace), identities, connectors, _no_writing)
    try:
        yield Previews(Systems(cluster, threads, identities, accesses, ""))
    finally:
        accesses.close()
        threads.close()


def _no_writing() -> None:
    raise PermissionError("a preview writes nothing")


def _given(sqladmin: str) -> str:
    """An endpoint for the connector; "" leaves it at Google's own, which it knows best itself."""
    return "" if sqladmin == Endpoints().sqladmin else sqladmin
