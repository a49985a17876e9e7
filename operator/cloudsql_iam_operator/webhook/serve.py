"""The webhook's process: one event loop that answers, and threads that watch the cluster and keep the certificate."""

import asyncio
import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from cloudsql_iam_operator import __version__
from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster, registrations
from cloudsql_iam_operator.adapters.cluster.pods import Pods
from cloudsql_iam_operator.adapters.cluster.rest import Rest, connect
from cloudsql_iam_operator.adapters.cluster.watch import Watched
from cloudsql_iam_operator.services.pods.watchdog import Count, Watchdog
from cloudsql_iam_operator.services.runtime.pages import PageServer
from cloudsql_iam_operator.services.runtime.pages import metrics as metrics_page
from cloudsql_iam_operator.services.runtime.threads import SWITCH_SECONDS, Threads
from cloudsql_iam_operator.webhook import metrics
from cloudsql_iam_operator.webhook.admission import Admission
from cloudsql_iam_operator.webhook.app import App
from cloudsql_iam_operator.webhook.certificates import certificate
from cloudsql_iam_operator.webhook.certificates.given import Follower
from cloudsql_iam_operator.webhook.certificates.keeper import Keeper
from cloudsql_iam_operator.webhook.certificates.tls import LiveContext, Servable
from cloudsql_iam_operator.webhook.collector import spare_once
from cloudsql_iam_operator.webhook.door import Door, Listener
from cloudsql_iam_operator.webhook.knowledge import Knowledge
from cloudsql_iam_operator.webhook.protocol import Protocol
from cloudsql_iam_operator.webhook.settings import WebhookSettings
from cloudsql_iam_operator.webhook.surroundings import Surrounded

LIVE_READS_AT_A_TIME = 8
"""Fresh reads of the API server at a time."""

SWAP_SECONDS = 5.0
GRACE_SECONDS = 5.0
"""For answers that are still being decided when the server ends."""

BACKLOG = 1024

log = logging.getLogger(__name__)


def serve(settings: WebhookSettings) -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0 after a graceful end, 1 when the port cannot be had."""
    try:
        listener = _listener(settings.port)
    except OSError as error:
        log.error("cannot listen on port %d: %s", settings.port, error)
        return 1
    sys.setswitchinterval(SWITCH_SECONDS)
    PageServer(settings.metrics_port, {"/metrics": metrics_page}).start("metrics")
    log.info("cloudsql-iam-operator %s webhook started on port %d", __version__, settings.port)
    asyncio.run(_serve(settings, connect(), listener))
    return 0


async def answer(app: App, context: LiveContext, listener: Listener, stopped: asyncio.Event, drain: float) -> None:
    """Answer on the listener until `stopped` is set, then `drain` seconds more, telling clients to go elsewhere."""
    loop = asyncio.get_running_loop()
    door = listener.door = Door(loop)
    # Accepted sockets inherit it. asyncio sets it only on sockets that were made with an explicit protocol, and
    # without it every answer waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sweeping = asyncio.create_task(door.sweep())
    server = await loop.create_server(
        lambda: Protocol(app.respond, door), sock=listener, ssl=context.context, backlog=BACKLOG
    )
    try:
        await stopped.wait()
        app.draining = True
        await asyncio.sleep(drain)
    finally:
        server.close()
        await door.emptied(GRACE_SECONDS)
        sweeping.cancel()


async def _serve(settings: WebhookSettings, rest: Rest, listener: Listener) -> None:
    loop, stopped, stop = asyncio.get_running_loop(), asyncio.Event(), threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    # Probes are answered over TLS before the shared certificate is known.
    context = LiveContext(certificate.issued(settings.place.dns_names, datetime.now(UTC)), settings.client_ca)
    cluster = AdmissionCluster(rest)
    knowledge, threads = Surrounded(Knowledge(cluster), cluster), Threads(LIVE_READS_AT_A_TIME)
    keeping = _keeping(cluster, settings, lambda certificates: _swap(loop, context, certificates))
    admission = Admission(knowledge, settings.injection, threads, trusting=bool(settings.client_ca))
    ready = lambda: keeping.settled.is_set() and knowledge.complete()  # noqa: E731 - reads better than a def in here
    app = App(admission, ready, only_verified=bool(settings.client_ca))
    knowledge.start(stop)
    keeping.start(stop)
    if isinstance(keeping, Keeper):
        for watched in _watch_trust(cluster, settings, keeping):
            watched.start(stop)
    if settings.watchdog is not None:
        watchdog = Watchdog(Pods(rest), knowledge.facts_now, ready, settings.injection)
        watchdog.start(settings.watchdog, _counted, stop)
    spare_once(ready, loop)
    try:
        await answer(app, context, listener, stopped, settings.drain)
    finally:
        stop.set()
        threads.close()
    log.info("webhook stopped")


def _keeping(
    cluster: AdmissionCluster, settings: WebhookSettings, use: Callable[[Servable], None]
) -> Keeper | Follower:
    return Follower(cluster, settings.place, use) if settings.given else Keeper(cluster, settings.place, use)


def _counted(count: Count) -> None:
    metrics.MISSING.set(count.missing)
    metrics.OUTDATED.set(count.outdated)
    metrics.RESTARTED.inc(count.restarted)


def _watch_trust(cluster: AdmissionCluster, settings: WebhookSettings, keeper: Keeper) -> tuple[Watched[str], ...]:
    """Watches that wake the keeper when somebody changes what the API server trusts."""
    name = settings.place.configuration
    return tuple(
        Watched(each.plural, cluster.registered(each), lambda _body: name, keeper.wake) for each in registrations(name)
    )


def _swap(loop: asyncio.AbstractEventLoop, context: LiveContext, certificates: Servable) -> None:
    """Exchange the certificate in the loop's thread, and wait until that is done."""

    async def use() -> None:
        context.use(certificates)

    asyncio.run_coroutine_threadsafe(use(), loop).result(SWAP_SECONDS)


def _listener(port: int) -> Listener:
    """A socket that hears on all addresses, of both families where the machine has both."""
    if socket.has_dualstack_ipv6():
        plain = socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    else:
        plain = socket.create_server(("", port), backlog=BACKLOG)
    return Listener(fileno=plain.detach())
