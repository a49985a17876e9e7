"""A server for the load, in a process of its own: the webhook's, kopf's, or a bare one that answers the same bytes.

`python -m benchmarks.admitting.serving webhook|watching|usual|bare` prints a line of JSON with its port and trust, and
after each line that it reads, what it has used so far. `watching` is the webhook with the copies that it keeps of the
cluster; it reads beforehand where news come from, as `bare` reads what to answer.
"""

import asyncio
import json
import resource
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import kubernetes.client
import orjson
import uvicorn

from benchmarks.admitting.usual import serve_usual
from cloudsql_iam_operator.adapters.cluster.admission import AdmissionCluster
from cloudsql_iam_operator.adapters.cluster.rest import Rest
from cloudsql_iam_operator.webhook.certificates.certificate import issued
from cloudsql_iam_operator.webhook.certificates.tls import LiveContext
from cloudsql_iam_operator.webhook.collector import spare_what_stands
from cloudsql_iam_operator.webhook.knowledge import Knowledge
from cloudsql_iam_operator.webhook.serve import SWITCH_SECONDS
from cloudsql_iam_operator.webhook.surroundings import Surrounded
from support.webhookparts.server import NAME, PATIENCE, Running


def used() -> dict[str, float]:
    """CPU seconds and the largest resident set so far, in MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}


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


def serve_bare(answer: dict[str, Any]) -> tuple[int, bytes]:
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


def watching(port: int) -> Surrounded:
    """What the webhook knows of a cluster whose API server is there, complete."""
    configuration = kubernetes.client.Configuration(host=f"http://127.0.0.1:{port}")
    cluster = AdmissionCluster(Rest(kubernetes.client.ApiClient(configuration)))
    source = Surrounded(Knowledge(cluster), cluster)
    source.start(threading.Event())
    end = time.monotonic() + PATIENCE
    while not source.complete():
        if time.monotonic() > end:
            raise RuntimeError("the lists of the cluster did not come")
        time.sleep(0.01)
    return source


def serve_webhook(source: Surrounded | None) -> tuple[int, bytes]:
    """Start the webhook in a thread, set up as its process is; its port and what to trust."""
    sys.setswitchinterval(SWITCH_SECONDS)
    running = Running(source=source)
    spare_what_stands()
    return running.port, running.certificates.bundle


def main(which: str) -> None:
    """Serve until standard input ends."""
    if which == "bare":
        port, bundle = serve_bare(json.loads(sys.stdin.readline()))
    elif which == "usual":
        port, bundle = serve_usual()
    else:
        port, bundle = serve_webhook(watching(json.loads(sys.stdin.readline())) if which == "watching" else None)
    print(json.dumps({"port": port, "bundle": bundle.decode(), "name": NAME}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(used()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
