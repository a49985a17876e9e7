"""The HTTP side of the webhook, as a bare ASGI application: admission, and probes for the kubelet."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from cloudsql_iam_operator.core.injection.outcome import Outcome
from cloudsql_iam_operator.webhook import metrics, review

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Decide = Callable[[review.Question], Awaitable[Outcome]]

LARGEST_BODY = 4 * 1024 * 1024
"""The API server takes no object beyond 3 MiB, and stores none beyond 1.5."""

VERIFIED = "verified"
"""In the state of a connection: whether the client has shown a certificate that was asked for."""

log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client left before it had said everything."""


class _TooLarge(Exception):
    """The body is larger than any pod."""


class _Turns:
    """Lets no more bytes be worked on at a time than one body may have: a parsed body is twenty times as large."""

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

    def __init__(self, decide: Decide, ready: Callable[[], bool], *, only_verified: bool = False) -> None:
        self.draining = False
        self._only_verified = only_verified
        self._turns = _Turns()
        self._decide = decide
        self._ready = ready
        self._routes: Mapping[tuple[str, str], Callable[[Receive], Awaitable[tuple[int, bytes]]]] = {
            ("POST", "/inject"): self._review,
            ("POST", "/templates"): self._review,
            ("GET", "/healthz"): self._health,
            ("GET", "/readyz"): self._readiness,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._routes.get((scope["method"], scope["path"]))
        if handler == self._review and self._only_verified and not scope["state"][VERIFIED]:
            handler = self._stranger
        try:
            status, body = (404, b"not here\n") if handler is None else await handler(receive)
        except _TooLarge:
            status, body = 413, b"the body is too large\n"
        except _Gone:
            return
        kind = b"application/json" if body.startswith(b"{") else b"text/plain; charset=utf-8"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if self.draining or status in (403, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _review(self, receive: Receive) -> tuple[int, bytes]:
        body = await _whole(receive)
        async with self._turns.of(len(body)):
            return await self._reviewed(body)

    async def _reviewed(self, body: bytes) -> tuple[int, bytes]:
        began = time.perf_counter()
        try:
            asked = review.question(body)
        except review.BadReview as bad:
            metrics.REQUESTS.labels("refused", "malformed", "false").inc()
            log.warning("request not understood: %s", bad)
            return 400, f"{bad}\n".encode()
        answered = review.answer(asked, await self._decide(asked))
        metrics.SECONDS.observe(time.perf_counter() - began)
        return 200, answered

    async def _stranger(self, _receive: Receive) -> tuple[int, bytes]:
        metrics.REQUESTS.labels("refused", "stranger", "false").inc()
        return 403, b"reviews are answered only to the API server: no client certificate was shown\n"

    async def _health(self, _receive: Receive) -> tuple[int, bytes]:
        return 200, b"alive\n"

    async def _readiness(self, _receive: Receive) -> tuple[int, bytes]:
        if self.draining:
            return 503, b"stopping\n"
        return (200, b"ready\n") if self._ready() else (503, b"starting\n")


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            raise _TooLarge
        if not message.get("more_body", False):
            return b"".join(parts)
