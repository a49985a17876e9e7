"""The least that answers a review: uvicorn and orjson, with an answer made ready before."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import uvicorn

from cloudsql_iam_operator.webhook.certificates.certificate import issued
from cloudsql_iam_operator.webhook.certificates.tls import LiveContext
from support.webhookparts.server import NAME


class Bare:
    """The least that answers a review: the body parsed, an answer made ready before, written with orjson."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] = {}

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message["more_body"]
        review = orjson.loads(b"".join(parts))
        response = self.answer | {"uid": review["request"]["uid"]}
        body = orjson.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def serve(answer: dict[str, Any]) -> tuple[int, bytes]:
    """Start it in a thread; its port and what to trust."""
    certificates = issued((NAME,), datetime.now(UTC))
    context = LiveContext(certificates)
    app = Bare()
    app.answer = answer
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app,
        ssl_context_factory=lambda _config, _default: context.context,
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True).start()
    return listener.getsockname()[1], certificates.bundle
