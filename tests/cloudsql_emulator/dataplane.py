"""The two ports of an emulated instance: 3307 for connectors, 5432 for direct connections.

Sessions are let in by `login` and then spliced to PostgreSQL's own socket, byte for byte.
Source: cloud-sql-go-connector (dialer.go, instance.go); PostgreSQL documentation, Message Flow
"""

import asyncio
import contextlib
import functools
import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.exchanges import Exchanges, NotHandled
from cloudsql_emulator.login import (
    Arrival,
    InstanceSettings,
    LoginAuthority,
    LoginGate,
    PasswordUser,
    Proven,
    Refused,
    TokenPrincipal,
    UserRecord,
    Verdict,
)
from cloudsql_emulator.postgres import Server
from cloudsql_emulator.protocol import (
    CancelRequest,
    EncryptionRequest,
    ProtocolViolation,
    StartupMessage,
    cleartext_password_request,
    error_response,
    first_packet_length,
    parse_first_packet,
    parse_password,
    password_message_length,
)
from cloudsql_emulator.witness import Witness

__all__ = [
    "DataPlane",
    "InstanceSettings",
    "LoginAttempt",
    "LoginAuthority",
    "TokenPrincipal",
    "UserRecord",
]

CONNECTOR_PORT = 3307
DIRECT_PORT = 5432
AUTHENTICATION_LIMIT = 60.0
"""Seconds to get through TLS and authentication, as PostgreSQL's authentication_timeout."""


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """A session that asked to be let in, for a journal.

    `outcome` is `iam` (let in), `password` (left to PostgreSQL) or `refused`; `detail` is what Cloud SQL's log says.
    """

    user: str
    database: str
    principal: str | None
    port: int
    outcome: Literal["iam", "password", "refused"]
    detail: str = ""


Journal = Callable[[LoginAttempt], None]


def _forget(_: LoginAttempt) -> None:
    """The journal of those who want none."""


class DataPlane:
    """Both ports on one address, in front of one PostgreSQL.

    Everything runs in the event loop that `start` was called in.
    """

    def __init__(
        self,
        address: str,
        certificates: InstanceCertificates,
        server: Server,
        authority: LoginAuthority,
        *,
        journal: Journal = _forget,
    ) -> None:
        self.address = address
        self._certificates = certificates
        self._server = server
        self._authority = authority
        self._gate = LoginGate(server, authority)
        self._journal = journal
        self.witness = Witness()
        self._listeners: list[asyncio.Server] = []
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self) -> None:
        """Listen on both ports.

        Raises:
            OSError: the address is not this machine's, or a port is taken.
        """
        contexts = {CONNECTOR_PORT: self._certificates.connector_context, DIRECT_PORT: None}
        try:
            for port, context in contexts.items():
                accept = functools.partial(self._accept, port)
                self._listeners.append(await asyncio.start_server(accept, self.address, port, ssl=context))
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the ports and every session."""
        for listener in self._listeners:
            listener.close()
        await self.close_sessions()
        for listener in self._listeners:
            await listener.wait_closed()
        self._listeners.clear()

    async def close_sessions(self) -> None:
        """Cut every session, as a stop of the instance does; the ports stay."""
        sessions = dict(self._sessions)
        for task, writer in sessions.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)

    def _accept(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(_Session(reader, writer, port)))
        self._sessions[task] = writer
        task.add_done_callback(self._sessions.pop)

    async def _serve(self, session: "_Session") -> None:
        try:
            # A client may vanish or talk nonsense at any point; that ends its session and concerns nobody else.
            with contextlib.suppress(OSError, EOFError, TimeoutError, ProtocolViolation, NotHandled):
                await self._admit_and_splice(session)
        finally:
            session.writer.close()

    async def _admit_and_splice(self, session: "_Session") -> None:
        if not self._authority.settings().running:
            session.reset()
            return
        async with asyncio.timeout(AUTHENTICATION_LIMIT):
            packet = await self._first_packet(session)
            if isinstance(packet, StartupMessage) and not await self._is_admitted(session, packet):
                return
        backend_reader, backend_writer = await self._server.connect()
        exchanges = Exchanges(self.witness)
        try:
            if isinstance(packet, StartupMessage):
                exchanges.begin()
            backend_writer.write(packet.packet)
            await _splice(exchanges, session, backend_reader, backend_writer)
        finally:
            backend_writer.close()

    async def _first_packet(self, session: "_Session") -> StartupMessage | CancelRequest:
        while True:
            packet = await session.read_first_packet()
            if not isinstance(packet, EncryptionRequest):
                return packet
            if packet.kind == "TLS" and not session.encrypted:
                await session.send(b"S")
                await session.encrypt(self._certificates.direct_context)
            else:
                await session.send(b"N")

    async def _is_admitted(self, session: "_Session", packet: StartupMessage) -> bool:
        arrival = self._arrival(session, packet)
        verdict = await self._gate.verdict(arrival, session.ask_password)
        self._journal(_attempt(arrival, session.port, verdict))
        if isinstance(verdict, Refused):
            await session.send(error_response(verdict.sqlstate, verdict.message))
            return False
        return True

    def _arrival(self, session: "_Session", packet: StartupMessage) -> Arrival:
        certificate = session.certificate
        issued = self._certificates.issued(certificate) if certificate else None
        return Arrival(
            user=packet.user,
            database=packet.database,
            host=session.host,
            encrypted=session.encrypted,
            through_connector=session.through_connector,
            has_certificate=issued is not None,
            # GUESS: a certificate proves somebody for as long as the token that it was given out for
            principal=issued.principal if issued and session.through_connector and issued.proof() else None,
        )


class _Session:
    """One client's connection, before and after it is encrypted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self.reader = reader
        self.writer = writer
        self.port = port

    @property
    def through_connector(self) -> bool:
        return self.port == CONNECTOR_PORT

    @property
    def host(self) -> str:
        return str(self.writer.get_extra_info("peername")[0])

    @property
    def encrypted(self) -> bool:
        return self.writer.get_extra_info("ssl_object") is not None

    @property
    def certificate(self) -> bytes | None:
        """The client's certificate in DER, verified."""
        if not self.encrypted:
            return None
        shown: bytes | None = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return shown

    async def encrypt(self, context: ssl.SSLContext) -> None:
        await self.writer.start_tls(context)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def read_first_packet(self) -> StartupMessage | CancelRequest | EncryptionRequest:
        header = await self.reader.readexactly(4)
        return parse_first_packet(header + await self.reader.readexactly(first_packet_length(header)))

    async def ask_password(self) -> str:
        await self.send(cleartext_password_request())
        header = await self.reader.readexactly(5)
        return parse_password(await self.reader.readexactly(password_message_length(header)))

    def reset(self) -> None:
        """Hang up hard, so that the client sees a reset and not an orderly end."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def _attempt(arrival: Arrival, port: int, verdict: Verdict) -> LoginAttempt:
    match verdict:
        case Proven(principal):
            return LoginAttempt(arrival.user, arrival.database, principal, port, "iam")
        case PasswordUser():
            return LoginAttempt(arrival.user, arrival.database, None, port, "password")
        case Refused(message, detail, _, principal):
            said = f"{message}: {detail}" if detail else message
            return LoginAttempt(arrival.user, arrival.database, principal or arrival.principal, port, "refused", said)


async def _splice(
    exchanges: Exchanges, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Carry messages both ways until PostgreSQL has said its last."""
    upstream = asyncio.create_task(exchanges.ask(session.reader, writer))
    try:
        await exchanges.answer(reader, session.writer)
    finally:
        upstream.cancel()
        await asyncio.gather(upstream, return_exceptions=True)
