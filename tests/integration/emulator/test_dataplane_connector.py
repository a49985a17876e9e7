"""Port 3307: what a connector with an ephemeral certificate meets."""

import contextlib
import ssl
import struct
from collections.abc import Iterator

import pytest

from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.dataplane import LoginAttempt
from cloudsql_emulator.standalone import ALICE, CHECKOUT, StandaloneGround, StandaloneInstance, standalone_ground
from cloudsql_emulator.tunnel import (
    AUTHENTICATION_OK,
    CLEARTEXT_PASSWORD_WANTED,
    client_context,
    open_tls,
)


@pytest.fixture(scope="module")
def ground() -> Iterator[StandaloneGround]:
    with standalone_ground() as ground:
        yield ground


@pytest.fixture
def instance(ground: StandaloneGround) -> Iterator[StandaloneInstance]:
    with ground.instance() as instance:
        yield instance


def test_a_connectors_certificate_signs_its_principal_in_without_a_password(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        answer = tunnel.log_in("checkout@acme.iam", "orders")

        assert tunnel.socket.version() == "TLSv1.3"
    assert answer == AUTHENTICATION_OK
    assert instance.attempts == [LoginAttempt("checkout@acme.iam", "orders", CHECKOUT, 3307, "iam")]


def test_a_connectors_certificate_signs_in_nobody_else(instance: StandaloneInstance) -> None:
    with instance.tunnel(ALICE) as tunnel:
        kind, body = tunnel.log_in("checkout@acme.iam", "orders")

    assert kind == b"E"
    expected = 'Cloud SQL IAM service account authentication failed for user "checkout@acme.iam"'
    assert body == f"SFATAL\0VFATAL\0C28000\0M{expected}\0\0".encode()


def test_a_connectors_certificate_does_not_sign_in_a_builtin_user(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        kind, body = tunnel.log_in("bob", "orders")

    assert kind == b"E"
    assert b'C28P01\0Mpassword authentication failed for user "bob"\0' in body


def test_a_certificate_without_identity_opens_a_tunnel_in_which_a_password_is_asked(
    instance: StandaloneInstance,
) -> None:
    with instance.tunnel(None) as tunnel:
        kind, body = tunnel.log_in("bob", "orders")

    assert (kind, body[:4], body[4:]) == (b"R", b"\0\0\0\x0a", b"SCRAM-SHA-256\0\0")


def test_a_token_is_a_password_inside_a_tunnel_too(instance: StandaloneInstance) -> None:
    with instance.tunnel(None) as tunnel:
        asked = tunnel.log_in("checkout@acme.iam", "orders")
        answer = tunnel.send_password("checkout-token")

    assert asked == CLEARTEXT_PASSWORD_WANTED
    assert answer == AUTHENTICATION_OK


def test_a_tunnel_answers_n_to_a_request_for_tls(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        tunnel.send(struct.pack("!II", 8, 80877103))
        answer = tunnel.receive(1)

        assert answer == b"N"
        assert tunnel.log_in("checkout@acme.iam", "orders") == AUTHENTICATION_OK


def test_a_metadata_exchange_that_was_not_announced_ends_the_tunnel(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        tunnel.send(b"CSQLMDEX" + struct.pack("!I", 0))

        with pytest.raises((EOFError, ConnectionError)):
            tunnel.receive(1)


def test_the_connector_port_demands_a_client_certificate(instance: StandaloneInstance) -> None:
    # TLS 1.3 tells a client of its missing certificate at the first read, or just hangs up.
    with (
        open_tls(instance.plane.address, client_context(instance.certificates)) as client,
        contextlib.suppress(OSError),
    ):
        assert client.recv(1) == b""

    assert instance.attempts == []


def test_the_connector_port_speaks_nothing_older_than_tls_1_3(instance: StandaloneInstance) -> None:
    context = client_context(instance.certificates)
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    with pytest.raises((ssl.SSLError, ConnectionError)):
        open_tls(instance.plane.address, context)


def test_another_instances_client_certificate_is_refused(instance: StandaloneInstance) -> None:
    other = InstanceCertificates("acme", "other")

    with instance.tunnel(CHECKOUT, issuer=other) as tunnel, pytest.raises((OSError, EOFError)):
        tunnel.log_in("checkout@acme.iam", "orders")

    assert instance.attempts == []


def test_the_server_certificate_names_project_and_instance(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        certificate = tunnel.socket.getpeercert()

    assert certificate is not None
    assert (("commonName", "acme:orders"),) in certificate["subject"]
