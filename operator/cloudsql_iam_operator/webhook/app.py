"""The HTTP side of the webhook, as a bare ASGI application: admission, and probes for the kubelet."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from cloudsql_iam_operator.core.injection.outcome import Outcome
from cloudsql_iam_operator.webhook import metrics, review

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Decide = Callable[[review.Question], Awaitable[Outcome]]

LARGEST_BODY = 8 * 1024 * 1024
"""The API server takes no object beyond 3 MiB."""

log = logging.getLogger(__name__)


class _Gone(Exception):
    """The client left before it had said everything."""


class _TooLarge(Exception):
    """The body is larger than any pod."""


class App:
    """Answers POST /inject, GET /healthz and GET /readyz.

    Once `draining` is set, each answer closes its connection, so that clients turn to another replica.
    """

    def __init__(self, decide: Decide, ready: Callable[[], bool]) -> None:
        self.draining = False
        self._decide = decide
        self._ready = ready
        self._routes: Mapping[tuple[str, str], Callable[[Receive], Awaitable[tuple[int, bytes]]]] = {
            ("POST", "/inject"): self._inject,
            ("GET", "/healthz"): self._health,
            ("GET", "/readyz"): self._readiness,
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        handler = self._routes.get((scope["method"], scope["path"]))
        try:
            status, body = (404, b"not here\n") if handler is None else await handler(receive)
        except _TooLarge:
            status, body = 413, b"the body is too large\n"
        except _Gone:
            return
        kind = b"application/json" if body.startswith(b"{") else b"text/plain; charset=utf-8"
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        if self.draining or status == 413:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _inject(self, receive: Receive) -> tuple[int, bytes]:
        body = await _whole(receive)
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
