"""The webhook's server alone: on loopback over TLS, with facts that a test tells it."""

import asyncio
import http.client
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.webhook.admission import Admission, Source
from cloudsql_iam_operator.webhook.app import App
from cloudsql_iam_operator.webhook.certificates.certificate import CertificateSet, issued
from cloudsql_iam_operator.webhook.certificates.tls import LiveContext
from cloudsql_iam_operator.webhook.door import Door, Listener
from cloudsql_iam_operator.webhook.serve import answer
from support.podshapes import ACCOUNT, FACTS, SETTINGS

NAME = "hook.csql.svc"
PATIENCE = 60.0
UNBOUND = replace(FACTS, service_account=replace(ACCOUNT, google_account=""))


@dataclass(slots=True)
class Told:
    """A source that says what a test tells it: `heard` is what watches brought, `stored` what a look would find."""

    heard: Facts = FACTS
    stored: Facts | None = None
    whole: bool = True
    delay: threading.Event = field(default_factory=threading.Event)
    looking: threading.Event = field(default_factory=threading.Event)
    broken: bool = False

    def complete(self) -> bool:
        return self.whole

    def facts(self, namespace: str, account: str) -> Facts:
        if self.broken:
            raise ZeroDivisionError
        return self.heard

    def facts_now(self, namespace: str, account: str) -> Facts:
        self.looking.set()
        self.delay.wait()
        if self.stored is None:
            raise NotYet(Reason.PROGRESSING_WITH_RETRY, "the API server did not answer")
        return self.stored


class Clocked(asyncio.SelectorEventLoop):
    """A loop whose clock a test puts forward, so that nothing has to happen within seconds of the real one."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


class Running:
    """A server on loopback, in a thread and loop of its own."""

    def __init__(self, drain: float = 0.0, client_ca: str = "", source: Source | None = None) -> None:
        self.told = Told()
        self.told.delay.set()
        self.ready = True
        self.certificates = issued((NAME,), datetime.now(UTC))
        self._context = LiveContext(self.certificates, client_ca)
        self._listener = Listener(fileno=socket.create_server(("127.0.0.1", 0), backlog=1024).detach())
        self.port: int = self._listener.getsockname()[1]
        self._loop = Clocked()
        self._stopped = asyncio.Event()
        threads = Threads(4)
        admission = Admission(source or self.told, SETTINGS, threads, trusting=bool(client_ca))
        self._app = App(admission, lambda: self.ready, only_verified=bool(client_ca))
        self._serving = answer(self._app, self._context, self._listener, self._stopped, drain)
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._serving))
        self._thread.start()

    def use(self, certificates: CertificateSet) -> None:
        async def swap() -> None:
            self._context.use(certificates)

        asyncio.run_coroutine_threadsafe(swap(), self._loop).result(PATIENCE)
        self.certificates = certificates

    def advance(self, seconds: float) -> None:
        """Put the server's clock forward."""

        def forward() -> None:
            self._loop.ahead += seconds

        self._loop.call_soon_threadsafe(forward)

    @property
    def door(self) -> Door:
        end = time.monotonic() + PATIENCE
        while self._listener.door is None:
            assert time.monotonic() < end, "the server does not begin to listen"
            time.sleep(0.01)
        return self._listener.door

    def begin_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        self._loop.close()

    def connect(self, bundle: bytes = b"") -> "Connection":
        return Connection(self.port, bundle or self.certificates.bundle)


class Connection(http.client.HTTPSConnection):
    """A connection that verifies the server by the name that the API server uses."""

    def __init__(self, port: int, bundle: bytes) -> None:
        self._trust = ssl.create_default_context(cadata=bundle.decode())
        # without a context of ours it reads every authority of the machine, in an eighth of a second
        super().__init__("127.0.0.1", port, timeout=PATIENCE, context=self._trust)

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), PATIENCE)
        self.sock = self._trust.wrap_socket(plain, server_hostname=NAME)

    def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        self.request(method, path, body or None)
        answered = self.getresponse()
        return answered.status, answered.read()

    def review(self, body: dict[str, Any], uid: str = "u-1", **request: Any) -> dict[str, Any]:
        asked = {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "orders",
            "object": body,
        }
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked | request}
        status, answered = self.ask("POST", "/inject", json.dumps(review).encode())
        assert status == 200, answered
        response: dict[str, Any] = json.loads(answered)["response"]
        assert response["uid"] == uid
        return response
