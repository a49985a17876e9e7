"""kopf as informer: every event feeds the engine. It writes nothing."""

import os
import random
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import kopf
from kopf._cogs.structs.bodies import RawBody
from kopf._cogs.structs.ephemera import AnyMemo
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from cloudsql_iam_operator.api.names import GROUP, KINDS, VERSION, Kind
from cloudsql_iam_operator.services.runtime.engine import Engine
from cloudsql_iam_operator.services.runtime.objects import key_of, uid_of

CONNECTIONS = 6
"""One for each watch, and as many to list: asyncio takes 0.3 MiB for each with TLS."""

PAGE = 100
"""Objects of a list at a time: kopf would hold all of them, and what is allocated meanwhile stays with the process."""

IDLE_SECONDS = 0.1
"""How long kopf keeps the last event of an object for the next one."""

NOBODYS_FINALIZER = f"{GROUP}/nobodys"
"""Kopf takes its finalizer off whatever has one and needs none for its handlers: no object has this."""

ENDING_SECONDS = 30.0
"""How long kopf may take to end after a failure. A watch that lost its connection then waits for a login that never
comes, while the Lease is renewed: the process is killed, and the kubelet starts it again."""
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is remembered on the object, and kopf copies none to compare it with what was."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        """Nothing of the object, which would be copied field by field at every event otherwise."""
        return cast("kopf.BodyEssence", {})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """The same: never different."""
        return self.build(body=body)

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class NoProgress(kopf.StatusProgressStorage):
    """No handler here makes progress that would be kept, so there is nothing of it to take out of what is compared."""

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        """The same, which would be copied twice at every event otherwise."""
        return essence


class NoMemories(ResourceMemories):
    """Kopf's memory of an object ends with the event: its handlers here need none, and it takes 0.8 KiB each."""

    async def recall(
        self,
        raw_body: RawBody,
        *,
        memobase: AnyMemo | None = None,
        noticed_by_listing: bool = False,
        ephemeral: bool = False,
    ) -> ResourceMemory:
        """A new one."""
        return await super().recall(raw_body, memobase=memobase, noticed_by_listing=noticed_by_listing, ephemeral=True)


class Jitter:
    """Endless delays in seconds, doubling to a minute: a broken API server must not end the operator."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads a herd
            delay = min(delay * 2, 60.0)


def settings() -> kopf.OperatorSettings:
    """Kopf's settings: nothing of its own on objects, bounded waits, room to finish on exit."""
    chosen = kopf.OperatorSettings()
    chosen.persistence.finalizer = NOBODYS_FINALIZER
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = NoProgress()
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 10
    chosen.networking.error_backoffs = Jitter()
    chosen.queueing.exit_timeout = 20
    chosen.queueing.idle_timeout = IDLE_SECONDS
    chosen.watching.chunk_size = PAGE
    chosen.process.ultimate_exiting_timeout = ENDING_SECONDS
    chosen.posting.enabled = False
    chosen.scanning.disabled = True
    return chosen


def registry(engine: Engine) -> kopf.OperatorRegistry:
    """Handlers that hand everything to the engine."""
    handlers = kopf.OperatorRegistry()
    for kind in KINDS:
        _register(handlers, kind, engine)
    kopf.on.login(registry=handlers)(login)
    return handlers


def _register(handlers: kopf.OperatorRegistry, kind: Kind, engine: Engine) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, registry=handlers)
    async def feed(event: kopf.RawEvent, **_: Any) -> None:
        body = {"kind": kind.name, **event["object"]}
        if event["type"] == "DELETED":
            engine.vanished(key_of(body), uid_of(body))
        else:
            engine.seen(key_of(body), body)


async def login(**_: Any) -> kopf.AiohttpSession | kopf.ConnectionInfo | None:
    """Credentials of the pod's ServiceAccount over a bounded pool, or the kubeconfig's outside a cluster.

    The token is read anew whenever the API server stops believing the last one.
    """
    host = os.environ.get("KUBERNETES_SERVICE_HOST")
    if not host or not (_ACCOUNT / "token").exists():
        return kopf.login_with_kubeconfig(settings=settings())
    host = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=_ACCOUNT / "ca.crt")
    token = (_ACCOUNT / "token").read_text().strip()
    return kopf.AiohttpSession(
        server=f"https://{host}:{os.environ.get('KUBERNETES_SERVICE_PORT', '443')}",
        default_namespace=(_ACCOUNT / "namespace").read_text().strip(),
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context),
            headers={"Authorization": f"Bearer {token}"},
        ),
    )
