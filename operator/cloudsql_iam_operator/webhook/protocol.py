"""HTTP/1.1 of the webhook: requests off a connection and answers onto it, in order. What is answered is not known here.

A general server spends more on a request than deciding about a pod takes: it makes a task and several messages of each.
Here an answer that is ready is written in the same step of the event loop that read the question. httptools parses.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools

from cloudsql_iam_operator.webhook.door import Door, Guest

LARGEST_BODY = 4 * 1024 * 1024
"""The API server takes no object beyond 3 MiB, and stores none beyond 1.5."""

_PHRASES = {status.value: status.phrase.encode() for status in HTTPStatus}
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """One request; `verified`: its client has shown a certificate that was asked for."""

    method: bytes
    path: bytes
    body: bytes
    verified: bool


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: JSON, or a line of text. `last`: the connection ends with it."""

    status: int
    body: bytes
    last: bool = False

    def written(self, *, last: bool) -> bytes:
        """The response as it goes over the wire."""
        kind = b"application/json" if self.body.startswith(b"{") else b"text/plain; charset=utf-8"
        ends = b"connection: close\r\n" if last else b""
        first = (self.status, _PHRASES[self.status], kind, len(self.body), ends)
        return b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\n%s\r\n" % first + self.body


Respond = Callable[[Request], Response | Awaitable[Response]]
TOO_LARGE = Response(413, b"the body is too large\n", last=True)
FAILED = Response(500, b"the webhook failed: its log says why\n", last=True)
NO_REQUEST = Response(400, b"that is no HTTP request\n", last=True)


class Protocol(asyncio.BufferedProtocol):
    """One connection, whose state the door is told: handshake, request, answer, idle.

    What comes in is read into the door's one buffer: asyncio makes 256 KiB for each read otherwise.
    """

    def __init__(self, respond: Respond, door: Door) -> None:
        self._respond = respond
        self._door = door
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._full = False
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: note whether the client has shown a certificate."""
        assert isinstance(transport, asyncio.Transport)
        plain = transport.get_extra_info("socket")
        self._transport = transport
        self._guest = self._door.guests.get(plain.fileno()) or Guest(plain, 0.0)
        self._guest.transport = transport
        secured: Any = transport.get_extra_info("ssl_object")
        self._verified = secured is not None and bool(secured.getpeercert())

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: nobody waits for what is still being decided."""
        self._ended = True
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client does not read what it asked for: nothing more is read from it either."""
        self._full = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._full = False
        self._transport.resume_reading()
        self._work()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to; `buffer_updated` follows in the same step of the event loop."""
        return self._door.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count what comes in before it is looked at."""
        if self._guest.idle:
            self._guest.idle, self._guest.since = False, self._door.loop.time()
        self._door.took(self._guest, nbytes)
        if self._ended or self._transport.is_closing():
            return
        try:
            self._parser.feed_data(self._door.buffer[:nbytes])
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._end(NO_REQUEST)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._parts: list[bytes] = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        """A part of what is asked for."""
        self._url += url

    def on_body(self, body: bytes) -> None:
        """A part of the body; one that gets too large is not kept."""
        self._size += len(body)
        if self._size <= LARGEST_BODY:
            self._parts.append(body)
        elif not self._ended:
            self._end(TOO_LARGE)

    def on_message_complete(self) -> None:
        """A request is whole: from now on the client waits for us."""
        if self._ended:
            return
        path = self._url.partition(b"?")[0]
        request = Request(self._parser.get_method(), path, b"".join(self._parts), self._verified)
        self._guest.answering = True
        self._waiting.append((request, not self._parser.should_keep_alive()))
        self._work()

    def _work(self) -> None:
        """Answer what waits, in order, as far as that needs nothing from outside."""
        while self._waiting and self._task is None and not self._full and not self._ended:
            request, last = self._waiting.popleft()
            try:
                response = self._respond(request)
            except Exception:  # the client must hear something, and others are not to suffer from it
                log.exception("request for %r not answered", request.path)
                response = FAILED
            if isinstance(response, Response):
                self._write(response, last=last)
            else:
                self._task = self._door.loop.create_task(self._later(response, last=last))

    async def _later(self, response: Awaitable[Response], *, last: bool) -> None:
        try:
            answered = await response
        except Exception:  # as above
            log.exception("request not answered")
            answered = FAILED
        self._task = None
        self._write(answered, last=last)
        self._work()

    def _write(self, response: Response, *, last: bool) -> None:
        if response.last or last:
            self._end(response)
            return
        self._transport.write(response.written(last=False))
        self._door.answered(self._guest)

    def _end(self, response: Response) -> None:
        self._ended = True
        self._waiting.clear()
        self._transport.write(response.written(last=True))
        self._door.answered(self._guest)
        self._transport.close()
