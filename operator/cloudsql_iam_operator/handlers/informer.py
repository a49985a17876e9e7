"""kopf as informer and finalizer keeper: every event feeds the engine, every deletion waits for it."""

import os
import random
import ssl
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import aiohttp
import kopf

from cloudsql_iam_operator.api.names import FINALIZER, GROUP, KINDS, VERSION, Kind
from cloudsql_iam_operator.services.runtime.engine import Engine
from cloudsql_iam_operator.services.runtime.objects import key_of, uid_of

CONNECTIONS = 12
"""One for each watch, and the others for finalizers: asyncio takes 0.3 MiB for each with TLS."""
ENDING_SECONDS = 30.0
"""How long kopf may take to end after a failure. A watch that lost its connection then waits for a login that never
comes, while the Lease is renewed: the process is killed, and the kubelet starts it again."""
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class NoDiffBase(kopf.DiffBaseStorage):
    """Nothing is remembered on the object: kopf then sees deletions only, and writes nothing but the finalizer."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[kopf.FieldSpec] | None = None) -> kopf.BodyEssence:
        """Nothing of the object, which would be copied field by field at every event otherwise."""
        return cast("kopf.BodyEssence", {})

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        """The same: never different."""
        return self.build(body=body)

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Store nothing."""


class Jitter:
    """Endless delays in seconds, doubling to a minute: a broken API server must not end the operator."""

    def __iter__(self) -> Iterator[float]:
        delay = 1.0
        while True:
            yield delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads a herd
            delay = min(delay * 2, 60.0)


def settings() -> kopf.OperatorSettings:
    """Kopf's settings: no annotations of its own, bounded waits, room to finish on exit."""
    chosen = kopf.OperatorSettings()
    chosen.persistence.finalizer = FINALIZER
    chosen.persistence.diffbase_storage = NoDiffBase()
    chosen.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 10
    chosen.networking.error_backoffs = Jitter()
    chosen.queueing.exit_timeout = 20
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

    @kopf.on.delete(GROUP, VERSION, kind.plural, registry=handlers)
    async def teardown(body: kopf.Body, **_: Any) -> None:
        gone = {"kind": kind.name, "metadata": dict(body.metadata)}
        await engine.removed(key_of(gone), uid_of(gone))


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
