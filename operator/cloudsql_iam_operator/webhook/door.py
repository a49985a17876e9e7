"""Who may be connected, how long and with how much unfinished: bounds that hold whoever calls. HTTP is elsewhere."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, field
from typing import Any

MOST_GUESTS = 256
"""Connections at a time. The API server takes one for each review that it waits for, and keeps a few."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of requests that are not answered yet, all connections together."""

READ_BYTES = 64 * 1024
"""Of one read: a usual review is a seventh of it."""

REQUEST_SECONDS = 10.0
"""For a handshake, and from the first byte of a request to its last."""

IDLE_SECONDS = 120
"""Longer than an API server keeps an idle connection, so that it never sends into one that is closing."""

SWEEP_SECONDS = 1.0
EMPTYING_SECONDS = 0.02


@dataclass(slots=True, eq=False)
class Guest:
    """One connection. `since` is when it began to keep us waiting; `held` are bytes of requests not answered yet."""

    socket: socket.socket
    since: float
    transport: asyncio.BaseTransport | None = None
    idle: bool = False
    answering: bool = False
    held: int = 0

    def leave(self) -> None:
        """End the connection, whatever it is doing."""
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
            return
        # in the handshake nobody but the event loop has a transport; it takes this for the peer's end
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class Door:
    """All connections of one listener. Belongs to the event loop.

    When there are too many, or they hold too much, the one goes that kept us waiting longest, or that holds most:
    who is answered at once is never in the way.
    """

    loop: asyncio.AbstractEventLoop
    guests: dict[int, Guest] = field(default_factory=dict)
    held: int = 0
    buffer: memoryview = field(default_factory=lambda: memoryview(bytearray(READ_BYTES)))
    """What one read brought; used up before the next."""

    def enter(self, accepted: socket.socket) -> None:
        """Let a new connection in, at the expense of another when there are too many."""
        if len(self.guests) >= MOST_GUESTS:
            waiting = [guest for guest in self.guests.values() if not guest.answering]
            if waiting:
                min(waiting, key=lambda guest: guest.since).leave()
        self.guests[accepted.fileno()] = Guest(accepted, self.loop.time())

    def gone(self, number: int) -> None:
        """Forget a connection that was closed."""
        guest = self.guests.pop(number, None)
        if guest is not None:
            self.held -= guest.held
            guest.held = 0

    def took(self, guest: Guest, size: int) -> None:
        """Count bytes that a connection sent, and end the one that holds most when all together hold too much."""
        guest.held += size
        self.held += size
        if self.held > MOST_BYTES:
            max(self.guests.values(), key=lambda each: 0 if each.answering else each.held).leave()

    def answered(self, guest: Guest) -> None:
        """The guest has its answer, and holds nothing any more."""
        self.held -= guest.held
        guest.held, guest.answering, guest.idle, guest.since = 0, False, True, self.loop.time()

    async def emptied(self, patience: float) -> None:
        """End all connections: idle ones now, the others when they are answered, or after this many seconds."""
        until = self.loop.time() + patience
        while self.guests and self.loop.time() < until:
            for guest in list(self.guests.values()):
                if not guest.answering:
                    guest.leave()
            await asyncio.sleep(EMPTYING_SECONDS)
        for guest in list(self.guests.values()):
            guest.leave()

    async def sweep(self) -> None:
        """End, time and again, the connections that take too long for a request, or that are idle too long."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.loop.time()
            for guest in list(self.guests.values()):
                patience = IDLE_SECONDS if guest.idle else REQUEST_SECONDS
                if not guest.answering and now - guest.since > patience:
                    guest.leave()


class Listener(socket.socket):
    """A listening socket that lets connections in through a door.

    The event loop accepts by itself, and knows a connection before its handshake: only here can those be counted.
    """

    door: Door | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """The next connection; closing it tells the door."""
        plain, address = super().accept()
        accepted = _Accepted(plain.family, plain.type, plain.proto, fileno=plain.detach())
        if self.door is not None:
            accepted.door = self.door
            self.door.enter(accepted)
        return accepted, address


class _Accepted(socket.socket):
    door: Door | None = None

    def close(self) -> None:
        """Close it, and let the door know."""
        number = self.fileno()
        super().close()
        if self.door is not None:
            self.door.gone(number)
