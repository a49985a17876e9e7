"""PostgreSQL's messages after the first packet, told apart as far as exchanges go: what is asked, and what is answered.

Source: PostgreSQL 18 documentation, Message Formats: a letter, then four bytes of length that count themselves
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

from cloudsql_emulator.witness import Witness

CHUNK = 65536
_ASKS = (b"Q", b"S")
"""Query and Sync: the server answers each with ReadyForQuery."""

_READY = b"Z"


class NotHandled(Exception):
    """A witness wants an exchange not to happen."""


class Exchanges:
    """The exchanges of one session, from its start-up on, each told to a witness before and after."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._open: deque[Callable[[], None]] = deque()

    def begin(self) -> None:
        """Something is asked that the server will answer with ReadyForQuery.

        Raises:
            NotHandled: it must not reach the server.
        """
        told = self._witness.came("postgres")
        if told is None:
            raise NotHandled
        self._open.append(told)

    async def ask(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry what the client sends, message by message, to the end."""
        try:
            async for message in _messages(source):
                if message[:1] in _ASKS:
                    self.begin()
                sink.write(message)
                await sink.drain()
        except (OSError, NotHandled):
            sink.close()
            return
        # A client that only stopped sending still wants its answer.
        if sink.can_write_eof():
            sink.write_eof()

    async def answer(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Carry what the server sends, message by message, until it has said its last."""
        with suppress(OSError):
            async for message in _messages(source):
                if message[:1] == _READY and self._open:
                    self._open.popleft()()
                sink.write(message)
                await sink.drain()


async def _messages(source: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Whole messages, one by one."""
    rest = b""
    while data := await source.read(CHUNK):
        messages, rest = _cut(rest + data)
        for message in messages:
            yield message


def _cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Whole messages, and what is left of an unfinished one."""
    place, messages = 0, []
    for end in _ends(data):
        messages.append(data[place:end])
        place = end
    return messages, data[place:]


def _ends(data: bytes) -> Iterator[int]:
    end = 0
    while len(data) >= end + 5:
        end += 1 + int.from_bytes(data[end + 1 : end + 5])
        if end > len(data):
            return
        yield end
