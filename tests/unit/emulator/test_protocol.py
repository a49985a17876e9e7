"""The opening of PostgreSQL's protocol, byte by byte."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def packet(code: int, body: bytes = b"") -> bytes:
    return struct.pack("!II", 8 + len(body), code) + body


def startup(**parameters: str) -> StartupMessage:
    body = "".join(f"{key}\0{value}\0" for key, value in parameters.items()) + "\0"
    parsed = parse_first_packet(packet(196608, body.encode()))
    assert isinstance(parsed, StartupMessage)
    return parsed


def test_a_request_for_tls_is_told_from_one_for_gssapi() -> None:
    assert parse_first_packet(packet(80877103)) == EncryptionRequest("TLS")
    assert parse_first_packet(packet(80877104)) == EncryptionRequest("GSSAPI")


def test_a_cancel_request_keeps_its_bytes() -> None:
    raw = packet(80877102, b"\0\0\0\1\0\0\0\2")

    assert parse_first_packet(raw) == CancelRequest(raw)


def test_a_startup_message_names_user_and_database() -> None:
    message = startup(user="checkout@acme.iam", database="orders", application_name="shop")

    assert message.user == "checkout@acme.iam"
    assert message.database == "orders"
    assert message.parameters == {"user": "checkout@acme.iam", "database": "orders", "application_name": "shop"}


def test_the_database_is_named_as_the_user_unless_said() -> None:
    assert startup(user="bob").database == "bob"
    assert startup(user="bob", database="").database == "bob"


def test_names_are_cut_where_postgresql_cuts_them() -> None:
    assert startup(user="u" * 70).user == "u" * 63


def test_a_newer_minor_version_of_the_protocol_is_taken() -> None:
    message = parse_first_packet(packet((3 << 16) + 2, b"user\0bob\0\0"))

    assert isinstance(message, StartupMessage)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (packet(2 << 16, b"user\0bob\0\0"), "unsupported frontend protocol 2.0"),
        (packet(196608, b"user\0bob\0"), "expected terminator as last byte"),
        (packet(196608, b"database\0orders\0\0"), "no PostgreSQL user name"),
        (packet(196608, b"user\0\0\0"), "no PostgreSQL user name"),
    ],
)
def test_what_opens_no_session_is_refused_with_the_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(ProtocolViolation, match=reason):
        parse_first_packet(raw)


@pytest.mark.parametrize("header", [b"\0\0\0\7", b"\0\0\x27\x11", b"GET ", b"\x16\x03\x01\0", b"CSQL"])
def test_what_begins_like_no_startup_packet_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        first_packet_length(header)


def test_the_length_of_a_first_packet_counts_itself() -> None:
    assert first_packet_length(b"\0\0\0\x08") == 4


def test_an_error_response_carries_severity_sqlstate_and_message() -> None:
    assert error_response("28000", "no entry") == b"E\0\0\0\x24SFATAL\0VFATAL\0C28000\0Mno entry\0\0"


def test_a_password_is_asked_for_in_clear() -> None:
    assert cleartext_password_request() == b"R\0\0\0\x08\0\0\0\x03"


def test_a_password_message_gives_its_password() -> None:
    assert password_message_length(b"p\0\0\0\x0b") == 7
    assert parse_password(b"secret\0") == "secret"


@pytest.mark.parametrize("header", [b"Q\0\0\0\x0b", b"p\0\0\0\3", b"p\0\1\0\1"])
def test_what_is_no_password_message_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        password_message_length(header)


@given(st.binary(min_size=4, max_size=200))
def test_any_bytes_are_a_first_packet_or_a_violation(body: bytes) -> None:
    try:
        parsed = parse_first_packet(struct.pack("!I", 4 + len(body)) + body)
    except ProtocolViolation:
        return

    assert isinstance(parsed, (EncryptionRequest, CancelRequest, StartupMessage))


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=15))
def test_any_short_user_name_survives(name: str) -> None:
    assert startup(user=name).user == name
