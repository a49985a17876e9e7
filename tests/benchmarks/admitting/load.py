"""A load of admission reviews over TLS connections that stand, from a process of its own: `python -m … < JSON`."""

import asyncio
import base64
import json
import socket
import ssl
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PATIENCE = 300.0
ALLOWED = (b'"allowed":true', b'"allowed": true')
CHANGING = b"@@@@@"
"""What is a number in each request, another in every one."""


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `count` reviews in all, over `clients` connections, to a server that shows this certificate.

    `caller` is a kubeconfig with the certificate that an API server shows to webhooks, "" for none.
    """

    port: int
    name: str
    bundle: str
    body: str
    clients: int
    count: int
    path: str = "/inject"
    host: str = "127.0.0.1"
    caller: str = ""

    def request(self) -> bytes:
        """The HTTP request, as the API server writes it."""
        body = self.body.encode()
        head = (
            f"POST {self.path}?timeout=5s HTTP/1.1\r\nHost: {self.name}:443\r\nUser-Agent: kube-apiserver-admission\r\n"
            f"Content-Length: {len(body)}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\n"
            "Accept-Encoding: gzip\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True, slots=True)
class Sent:
    """How that went: seconds of each review, and of all together."""

    each: list[float]
    seconds: float


class _Client(asyncio.Protocol):
    """One connection that sends the next request when it has the answer to the last."""

    def __init__(self, request: bytes, first: int, count: int) -> None:
        self.done: asyncio.Future[list[float]] = asyncio.get_running_loop().create_future()
        self._parts = request.split(CHANGING)
        self._number = first
        self._left = count
        self._times: list[float] = []
        self._began = 0.0
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self) -> None:
        self._number += 1
        request = (b"%05d" % self._number).join(self._parts)
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, _, body = self._buffer.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length: ")
        if at < 0 or len(body) < int(head[at + 16 :].split(b"\r\n", 1)[0]):
            return
        self._times.append(time.perf_counter() - self._began)
        self._left -= 1
        if not head.startswith(b"HTTP/1.1 200 ") or not any(yes in body for yes in ALLOWED):
            self.done.set_exception(RuntimeError(self._buffer.decode()[:500]))
            return
        self._buffer = b""
        if self._left:
            self.begin()
        else:
            self.done.set_result(self._times)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


def _show(context: ssl.SSLContext, caller: str) -> None:
    user = json.loads(Path(caller).read_text())["users"][0]["user"]
    with tempfile.NamedTemporaryFile(prefix="caller-") as both:
        both.write(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
        both.flush()
        context.load_cert_chain(both.name)


async def send(load: Load) -> Sent:
    """Send the load."""
    trust = ssl.create_default_context(cadata=load.bundle)
    if load.caller:
        _show(trust, load.caller)
    loop, request = asyncio.get_running_loop(), load.request()
    clients = []
    each = load.count // load.clients
    for number in range(load.clients):
        _, client = await loop.create_connection(
            lambda first=number * each: _Client(request, first, each),  # type: ignore[misc]
            load.host, load.port, ssl=trust, server_hostname=load.name,
        )  # fmt: skip
        clients.append(client)
    began = time.perf_counter()
    for client in clients:
        client.begin()
    times = await asyncio.wait_for(asyncio.gather(*(client.done for client in clients)), PATIENCE)
    return Sent([taken for found in times for taken in found], time.perf_counter() - began)


if __name__ == "__main__":
    print(json.dumps(asdict(asyncio.run(send(Load(**json.load(sys.stdin)))))))
