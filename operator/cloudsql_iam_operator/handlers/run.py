"""The reconciler's process: wait to lead, then watch, work and relist until asked to stop or leadership is lost."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.adapters.cluster.lease import LeadershipLost, Lease, Terms, lead
from cloudsql_iam_operator.adapters.cluster.networks import Networks
from cloudsql_iam_operator.adapters.cluster.objects import Cluster, connect
from cloudsql_iam_operator.adapters.google.metadata import workload_pool
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.handlers import health
from cloudsql_iam_operator.handlers.settings import Settings
from cloudsql_iam_operator.handlers.watching import watch
from cloudsql_iam_operator.services.assembly import Limits, Parts, Wiring, assemble
from cloudsql_iam_operator.services.pods.egress import Egress
from cloudsql_iam_operator.services.pods.networks import NetworkPolicies
from cloudsql_iam_operator.services.runtime.threads import SWITCH_SECONDS

log = logging.getLogger(__name__)

TERMS = Terms()
BEAT_SECONDS = 2.0
NETWORK_SECONDS = 20.0
"""Between two looks at who asks for a NetworkPolicy."""


@dataclass(frozen=True, slots=True)
class Leadership:
    """The Lease, and an event that is set once this process leads."""

    lease: Lease
    won: asyncio.Event


def run(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT (exit status 0), or until leadership is lost (1)."""
    sys.setswitchinterval(SWITCH_SECONDS)
    pulse = health.Pulse()
    health.serve(settings.ports, pulse)
    log.info("cloudsql-iam-operator %s started as %s", __version__, settings.identity)
    return asyncio.run(_run(settings, pulse))


async def _run(settings: Settings, pulse: health.Pulse) -> int:
    beat = asyncio.create_task(_beat(pulse))
    stopped = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    cluster = connect()
    leadership = _campaign(settings)
    pulse.ready = True
    if not await _either(leadership.won.wait(), stopped.wait()):
        return 0
    log.info("leading, by Lease %s/%s", settings.namespace, settings.lease)
    health.LEADER.set(1)
    pulse.ready = False
    parts = assemble(_wiring(settings, cluster, leadership.lease))
    try:
        networks = _networks(settings, cluster, leadership.lease)
        return await _lead(settings, parts, networks, pulse, stopped)
    finally:
        beat.cancel()
        parts.close()
        leadership.lease.release()


def _wiring(settings: Settings, cluster: Cluster, lease: Lease) -> Wiring:
    counts = health.Counts()
    return Wiring(
        cluster=cluster,
        namespace=settings.namespace,
        fence=lease.check,
        called=counts.called,
        watcher=counts,
        endpoints=settings.endpoints,
        cluster_id=settings.cluster_id or cluster.mark(),
        pool=workload_pool(settings.workload_pool),
        limits=Limits(settings.workers, settings.threads, settings.sessions),
    )


async def _lead(
    settings: Settings, parts: Parts, networks: NetworkPolicies | None, pulse: health.Pulse, stopped: asyncio.Event
) -> int:
    await parts.engine.relist()
    pulse.ready = True
    watching = asyncio.create_task(watch(parts.engine, parts.departures, stopped))
    working = asyncio.create_task(parts.engine.work())
    relists = asyncio.create_task(_relist(parts, settings.relist))
    tasks = [watching, working, relists]
    if networks is None:
        parts.egress.learn(())
    else:
        tasks.append(asyncio.create_task(_keep_networks(networks, parts.egress)))
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lost = [task.exception() for task in done if not task.cancelled() and task.exception()]
    for error in lost:
        log.error("stopping: %s", error, exc_info=None if isinstance(error, LeadershipLost) else error)
    return 1 if lost else 0


def _campaign(settings: Settings) -> Leadership:
    loop, won = asyncio.get_running_loop(), asyncio.Event()
    lease = Lease(settings.lease, settings.namespace, settings.identity, TERMS)

    def lost() -> None:
        log.error("leadership lost: leaving at once, another replica may be writing")
        os._exit(1)

    def started() -> None:
        loop.call_soon_threadsafe(won.set)

    def campaign() -> None:
        try:
            lead(lease, TERMS, started, lost)
        except Exception:  # whatever ends the election ends the right to write
            log.exception("the election for the Lease ended unexpectedly")
        lost()

    threading.Thread(target=campaign, name="lease", daemon=True).start()
    return Leadership(lease, won)


async def _beat(pulse: health.Pulse) -> None:
    while True:
        pulse.beat = time.monotonic()
        await asyncio.sleep(BEAT_SECONDS)


def _networks(settings: Settings, cluster: Cluster, lease: Lease) -> NetworkPolicies | None:
    if settings.networks is None:
        return None
    return NetworkPolicies(Networks(cluster.server), settings.networks, lease.check)


async def _keep_networks(networks: NetworkPolicies, egress: Egress) -> None:
    while True:
        try:
            egress.learn(await asyncio.to_thread(networks.round))
        except NotYet as error:
            log.warning("network policies not looked after, next in %.0f s: %s", NETWORK_SECONDS, error)
        await asyncio.sleep(NETWORK_SECONDS)


async def _relist(parts: Parts, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await parts.engine.relist()
        except NotYet as error:
            log.warning("full list failed, next in %.0f s: %s", seconds, error)


async def _either(wanted: Coroutine[Any, Any, object], other: Coroutine[Any, Any, object]) -> bool:
    """Whether the first ended, and not the second before it."""
    first, second = asyncio.create_task(wanted), asyncio.create_task(other)
    await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    won = first.done()
    first.cancel()
    second.cancel()
    return won
