"""HTTP of the webhook: uvicorn's, which tells the door what each connection is doing, and the app who is calling."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from cloudsql_iam_operator.webhook.app import VERIFIED
from cloudsql_iam_operator.webhook.door import Door, Guest


def behind(door: Door) -> type[asyncio.Protocol]:
    """The protocol of connections that come through this door."""

    class Guarded(_Guarded):
        _door = door

    return Guarded


class _Guarded(HttpToolsProtocol):
    """A connection's state as the door counts it: handshake, request, answer, idle."""

    _door: Door
    _guest: Guest

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """The handshake is done: note whether the client has shown a certificate that was asked for."""
        number = transport.get_extra_info("socket").fileno()
        self._guest = self._door.guests.get(number) or Guest(transport.get_extra_info("socket"), 0.0)
        self._guest.transport = transport
        secured: Any = transport.get_extra_info("ssl_object")
        self.app_state = {**self.app_state, VERIFIED: secured is not None and bool(secured.getpeercert())}
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count what comes in before it is looked at."""
        if self._guest.idle:
            self._guest.idle, self._guest.since = False, self._door.loop.time()
        self._door.took(self._guest, len(data))
        if not self.transport.is_closing():
            super().data_received(data)

    def on_message_complete(self) -> None:
        """A request is whole: from now on the client waits for us."""
        self._guest.answering = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The request is answered."""
        self._door.answered(self._guest)
        super().on_response_complete()
