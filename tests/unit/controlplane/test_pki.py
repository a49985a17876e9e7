"""Certificates of the chain's authority, judged by the TLS stack that will meet them."""

import socket
import ssl
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509.oid import NameOID

from controlplane.pki import Authority, KeyPair, Subject, signing_pair


def stored(pair: KeyPair, directory: Path, name: str) -> tuple[Path, Path]:
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return certificate, key


def trusting(authority: Authority) -> ssl.SSLContext:
    """A client's context as strict as Python 3.13 makes it."""
    context = ssl.create_default_context(cadata=authority.pair.certificate.decode())
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def served(authority: Authority, pair: KeyPair, directory: Path) -> ssl.SSLContext:
    """A server's context that asks for a client certificate of the authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*stored(pair, directory, "server"))
    context.load_verify_locations(cadata=authority.pair.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def answer(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> bytes:
    """What a client reads from a server that greets it, each with its own context."""
    here, there = socket.socketpair()

    def greet() -> None:
        with server.wrap_socket(there, server_side=True) as session:
            session.sendall(b"hello")

    thread = threading.Thread(target=greet, daemon=True)
    thread.start()
    with client.wrap_socket(here, server_hostname=host) as session:
        greeting = session.recv(5)
    thread.join(60)
    return greeting


@pytest.mark.parametrize("host", ["sqladmin.googleapis.com", "kubernetes.default.svc", "198.19.0.1"])
def test_both_sides_of_a_connection_accept_each_other(tmp_path: Path, host: str) -> None:
    authority = Authority("chain-ca")
    subject = Subject("any", hosts=("*.googleapis.com", "kubernetes.default.svc"), addresses=("198.19.0.1",))
    server = served(authority, authority.server(subject), tmp_path)
    client = trusting(authority)
    client.load_cert_chain(*stored(authority.client(Subject("admin", ("system:masters",))), tmp_path, "client"))

    greeting = answer(server, client, host)

    assert greeting == b"hello"


def test_a_name_that_the_certificate_does_not_hold_is_refused(tmp_path: Path) -> None:
    authority = Authority("chain-ca")
    pair = authority.server(Subject("any", hosts=("kubernetes.default.svc",)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*stored(pair, tmp_path, "server"))

    told = refusal(context, trusting(authority), "sqladmin.googleapis.com")

    assert "Hostname mismatch, certificate is not valid for 'sqladmin.googleapis.com'" in told


def test_another_authority_of_the_same_name_is_refused(tmp_path: Path) -> None:
    pair = Authority("chain-ca").server(Subject("any", hosts=("kubernetes.default.svc",)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*stored(pair, tmp_path, "server"))

    told = refusal(context, trusting(Authority("chain-ca")), "kubernetes.default.svc")

    assert "certificate verify failed" in told


def refusal(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> str:
    """The client's words; the handshake is done in memory, so that the server's side needs no thread."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=host)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (ours, theirs):
        with pytest.raises(ssl.SSLWantReadError):
            side.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        ours.do_handshake()
    return str(refused.value)


def test_a_client_certificate_names_its_user_and_groups() -> None:
    pair = Authority("chain-ca").client(Subject("ann", ("platform", "on-call")))

    subject = x509.load_pem_x509_certificate(pair.certificate).subject

    assert [name.value for name in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["ann"]
    organisations = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert {name.value for name in organisations} == {"platform", "on-call"}


def test_the_signing_pair_holds_a_public_key_and_its_private_one() -> None:
    pair = signing_pair()

    load_pem_public_key(pair.certificate)

    assert pair.certificate.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert pair.key.startswith(b"-----BEGIN PRIVATE KEY-----\n")
