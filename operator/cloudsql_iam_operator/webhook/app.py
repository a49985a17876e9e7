"""What the webhook answers to a request: admission, and probes for the kubelet. How requests come in: elsewhere."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from cloudsql_iam_operator.core.injection.outcome import Outcome
from cloudsql_iam_operator.webhook import metrics, review
from cloudsql_iam_operator.webhook.admission import Admission, Doubt
from cloudsql_iam_operator.webhook.protocol import LARGEST_BODY, Request, Response

Ready = Callable[[], bool]
log = logging.getLogger(__name__)


STRANGER = review.refusal("reviews are answered only to the API server: no client certificate was shown")
"""The answer to a caller that has not proven to be the API server; it has the form of every other denial."""


class _Turns:
    """Lets no more bytes be looked at again at a time than one body may have: parsed, they are twenty times as many."""

    def __init__(self) -> None:
        self._taken = 0
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def of(self, size: int) -> AsyncIterator[None]:
        """Wait until there is room for this many bytes, and take it."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._taken or self._taken + size <= LARGEST_BODY)
            self._taken += size
        try:
            yield
        finally:
            async with self._changed:
                self._taken -= size
                self._changed.notify_all()


class App:
    """Answers POST /inject and /templates, GET /healthz and GET /readyz.

    Once `draining` is set, each answer closes its connection, so that clients turn to another replica. With
    `only_verified`, reviews are answered only to clients that have shown a certificate.
    """

    def __init__(self, admission: Admission, ready: Ready, *, only_verified: bool = False) -> None:
        self.draining = False
        self._only_verified = only_verified
        self._turns = _Turns()
        self._admission = admission
        self._ready = ready
        self._routes: Mapping[tuple[bytes, bytes], Callable[[Request], Response | Awaitable[Response]]] = {
            (b"POST", b"/inject"): self._review,
            (b"POST", b"/templates"): self._review,
            (b"GET", b"/healthz"): self._health,
            (b"GET", b"/readyz"): self._readiness,
        }

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """The answer, at once when it needs nothing from outside."""
        handler = self._routes.get((request.method, request.path))
        return Response(404, b"not here\n", last=self.draining) if handler is None else handler(request)

    def _review(self, request: Request) -> Response | Awaitable[Response]:
        if self._only_verified and not request.verified:
            metrics.requests("", "refused", "stranger", "false").inc()
            return Response(403, STRANGER, last=True)
        began = time.perf_counter()
        try:
            asked = review.question(request.body)
        except review.BadReview as bad:
            metrics.requests("", "refused", "malformed", "false").inc()
            log.warning("request not understood: %s", bad)
            return Response(400, f"{bad}\n".encode(), last=self.draining)
        decided = self._admission.decide(asked)
        if isinstance(decided, Doubt):
            return self._looked_again(request.body, decided, began)
        return self._answered(asked, decided, began)

    async def _looked_again(self, body: bytes, doubt: Doubt, began: float) -> Response:
        async with self._turns.of(len(body)):
            facts = await self._admission.look(doubt)
            asked = review.question(body)
            return self._answered(asked, self._admission.decide_by(asked, doubt, facts), began)

    def _answered(self, asked: review.Question, outcome: Outcome, began: float) -> Response:
        body = review.answer(asked, outcome)
        metrics.SECONDS.observe(time.perf_counter() - began)
        return Response(200, body, last=self.draining)

    def _health(self, _request: Request) -> Response:
        return Response(200, b"alive\n", last=self.draining)

    def _readiness(self, _request: Request) -> Response:
        if self.draining:
            return Response(503, b"stopping\n", last=True)
        return Response(200, b"ready\n") if self._ready() else Response(503, b"starting\n")
