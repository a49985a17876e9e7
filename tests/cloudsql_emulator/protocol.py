"""The opening of PostgreSQL's wire protocol, as bytes in and records out; sockets are in `dataplane`.

Source: PostgreSQL 18 documentation, Frontend/Backend Protocol, Message Formats
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CANCEL_REQUEST = 80877102
SSL_REQUEST = 80877103
GSSENC_REQUEST = 80877104
LONGEST_STARTUP_PACKET = 10_000
"""PostgreSQL's own limit (MAX_STARTUP_PACKET_LENGTH)."""

LONGEST_PASSWORD_MESSAGE = 65_536
LONGEST_IDENTIFIER = 63
MAJOR_VERSION = 3
METADATA_EXCHANGE = b"CSQL"
"""How a connector's metadata exchange begins; only sent to servers that announce it, and this one does not."""


class ProtocolViolation(Exception):
    """What came is not the opening of a PostgreSQL session."""


@dataclass(frozen=True, slots=True)
class EncryptionRequest:
    """The client asks for TLS or GSSAPI encryption; one byte answers it."""

    kind: Literal["TLS", "GSSAPI"]


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """The client of another session asks to cancel its query; `packet` goes to PostgreSQL as it came."""

    packet: bytes


@dataclass(frozen=True, slots=True)
class StartupMessage:
    """The client names its user and database; `packet` goes to PostgreSQL as it came."""

    packet: bytes
    parameters: Mapping[str, str]

    @property
    def user(self) -> str:
        """The user as PostgreSQL will read it, cut where PostgreSQL cuts."""
        return _clipped(self.parameters["user"])

    @property
    def database(self) -> str:
        """The database; PostgreSQL's default is the user's name."""
        return _clipped(self.parameters.get("database") or self.parameters["user"])


FirstPacket = EncryptionRequest | CancelRequest | StartupMessage


def first_packet_length(header: bytes) -> int:
    """How many bytes follow the four of `header`.

    Raises:
        ProtocolViolation: no startup packet begins like this.
    """
    if header == METADATA_EXCHANGE:
        raise ProtocolViolation("metadata exchange (CSQLMDEX), which this instance does not announce")
    (length,) = struct.unpack("!I", header)
    if not 8 <= length <= LONGEST_STARTUP_PACKET:
        raise ProtocolViolation(f"invalid length of startup packet: {length}")
    return int(length) - 4


def parse_first_packet(packet: bytes) -> FirstPacket:
    """What a whole first packet, its length included, asks for.

    Raises:
        ProtocolViolation: neither a request nor a startup message of protocol 3 with a user.
    """
    (code,) = struct.unpack("!I", packet[4:8])
    if code == SSL_REQUEST:
        return EncryptionRequest("TLS")
    if code == GSSENC_REQUEST:
        return EncryptionRequest("GSSAPI")
    if code == CANCEL_REQUEST:
        return CancelRequest(packet)
    if code >> 16 != MAJOR_VERSION:
        raise ProtocolViolation(f"unsupported frontend protocol {code >> 16}.{code & 0xFFFF}")
    return StartupMessage(packet, _parameters(packet[8:]))


def error_response(sqlstate: str, message: str) -> bytes:
    """A fatal ErrorResponse."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": message}
    body = b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0"
    return _message(b"E", body)


def cleartext_password_request() -> bytes:
    """AuthenticationCleartextPassword: the client is to send its password as it is."""
    return _message(b"R", struct.pack("!I", 3))


def password_message_length(header: bytes) -> int:
    """How many bytes follow the five of a PasswordMessage's header.

    Raises:
        ProtocolViolation: another message, or one beyond all measure.
    """
    kind, length = struct.unpack("!cI", header)
    if kind != b"p":
        raise ProtocolViolation("a message other than a password")
    if not 4 <= length <= LONGEST_PASSWORD_MESSAGE:
        raise ProtocolViolation(f"invalid length of password message: {length}")
    return int(length) - 4


def parse_password(body: bytes) -> str:
    """The password in a PasswordMessage's body."""
    return body.removesuffix(b"\0").decode(errors="replace")


def _parameters(body: bytes) -> Mapping[str, str]:
    if not body.endswith(b"\0\0"):
        raise ProtocolViolation("invalid startup packet layout: expected terminator as last byte")
    parts = [part.decode(errors="replace") for part in body[:-2].split(b"\0")]
    parameters = dict(zip(parts[::2], parts[1::2], strict=False))
    if not parameters.get("user"):
        raise ProtocolViolation("no PostgreSQL user name specified in startup packet")
    return parameters


def _clipped(identifier: str) -> str:
    return identifier.encode()[:LONGEST_IDENTIFIER].decode(errors="replace")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body
