"""Whoever calls, the webhook holds no more than its bounds and goes on answering the API server."""

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloudsql_iam_operator.webhook.door import IDLE_SECONDS, MOST_BYTES, MOST_GUESTS, REQUEST_SECONDS
from cloudsql_iam_operator.webhook.protocol import LARGEST_BODY
from controlplane.pki import Authority, Subject
from support.podshapes import FACTS, pod, users
from support.webhookparts.server import PATIENCE, UNBOUND, Connection, Running

HEAD = b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.begin_stop()
    running.join()


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Connections that a test opens and that stay open until its end."""
    with ExitStack() as stack:
        yield stack


def plain(server: Running, held: ExitStack) -> socket.socket:
    return held.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))


def connected(server: Running, held: ExitStack) -> Connection:
    connection = server.connect()
    connection.connect()
    held.callback(connection.close)
    return connection


def waited_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def is_closed(connection: socket.socket) -> bool:
    """Wait until the server ends the connection; raises TimeoutError when it does not."""
    with contextlib.suppress(ConnectionResetError, ssl.SSLError, BrokenPipeError):
        while connection.recv(4096):
            """What it may still say, such as that the request is none."""
    return True


def test_unfinished_bodies_hold_no_more_than_their_bound(server: Running, held: ExitStack) -> None:
    size = LARGEST_BODY - 1024
    for _ in range(3 * MOST_BYTES // size):
        connection = connected(server, held)
        with contextlib.suppress(OSError):
            connection.sock.sendall(HEAD % size + b" " * (size - 1))

        assert server.door.held <= MOST_BYTES + LARGEST_BODY

    waited_for(lambda: server.door.held <= MOST_BYTES)
    assert server.connect().review(pod())["allowed"] is True


def test_headers_without_end_are_cut_off_like_bodies(server: Running, held: ExitStack) -> None:
    endless = connected(server, held)
    with contextlib.suppress(OSError):
        endless.sock.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(MOST_BYTES // 65536 + 64):
            endless.sock.sendall(b"x: " + b"y" * 65536 + b"\r\n")

    assert is_closed(endless.sock)
    assert server.connect().review(pod())["allowed"] is True


def test_the_connection_that_waits_longest_makes_room_for_a_new_one(server: Running, held: ExitStack) -> None:
    first = plain(server, held)
    waited_for(lambda: len(server.door.guests) == 1)
    for _ in range(MOST_GUESTS - 1):
        plain(server, held)
    waited_for(lambda: len(server.door.guests) == MOST_GUESTS)

    answered = connected(server, held).review(pod())

    assert answered["allowed"] is True
    assert is_closed(first)
    assert len(server.door.guests) <= MOST_GUESTS


def test_a_connection_that_never_shakes_hands_is_closed(server: Running, held: ExitStack) -> None:
    silent = plain(server, held)
    waited_for(lambda: len(server.door.guests) == 1)

    server.advance(REQUEST_SECONDS + 1)

    assert is_closed(silent)


@pytest.mark.parametrize("begun", [b"", b"P", b"\r\n", HEAD % 100 + b"{"])
def test_a_request_that_trickles_in_is_cut_off_whatever_it_is(server: Running, held: ExitStack, begun: bytes) -> None:
    slow = connected(server, held)
    slow.sock.sendall(begun)
    waited_for(lambda: any(guest.held >= len(begun) for guest in server.door.guests.values()))

    server.advance(REQUEST_SECONDS - 1)
    slow.sock.sendall(b" ")
    server.advance(2)

    assert is_closed(slow.sock)
    assert server.connect().review(pod())["allowed"] is True


def test_an_idle_connection_is_kept_as_long_as_an_api_server_keeps_it(server: Running, held: ExitStack) -> None:
    standing = connected(server, held)
    assert standing.review(pod())["allowed"] is True

    server.advance(IDLE_SECONDS - 10)

    assert standing.review(pod())["allowed"] is True
    server.advance(IDLE_SECONDS + 10)
    assert is_closed(standing.sock)


def test_a_denial_for_a_caller_that_proved_nothing_names_no_account_user_or_connection(server: Running) -> None:
    told = server.told
    other = UNBOUND.service_account
    assert other is not None
    for facts in (UNBOUND, users(account=None), FACTS):
        told.heard = told.stored = facts
        for annotations in ({}, {"inject": "true"}, {"inject": "nobody"}, {"port": "0"}):
            answered = server.connect().review(pod(annotations=annotations))
            said = answered.get("status", {}).get("message", "")

            assert "@" not in said
            assert "acme-prod:" not in said


def test_only_the_api_server_is_answered_where_it_has_a_certificate(tmp_path: Path) -> None:
    authority = Authority("front-proxy")
    server = Running(client_ca=authority.pair.certificate.decode())
    try:
        server.told.heard = server.told.stored = UNBOUND

        status, answer = server.connect().ask("POST", "/inject", b"{}")
        assert (status, json.loads(answer)["response"]["allowed"]) == (403, False)
        assert server.connect().ask("GET", "/healthz")[0] == 200
        with pytest.raises((ssl.SSLError, ConnectionError)):
            shown(server, Authority("front-proxy"), tmp_path).ask("POST", "/inject", b"{}")
        message = shown(server, authority, tmp_path).review(pod())["status"]["message"]
        assert "checkout@acme-prod.iam.gserviceaccount.com" in message
    finally:
        server.begin_stop()
        server.join()


def shown(server: Running, authority: Authority, directory: Path) -> Connection:
    """A connection of a client with a certificate of this authority."""
    pair = authority.client(Subject("kube-apiserver"))
    file = directory / "client.pem"
    file.write_bytes(pair.certificate + pair.key)
    connection = server.connect()
    connection._trust.load_cert_chain(file)
    return connection
