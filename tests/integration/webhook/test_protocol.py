"""HTTP as clients may write it, over real TLS: whole, in pieces, several at once, and wrong."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.webhook.protocol import LARGEST_BODY
from support.podshapes import FACTS, pod
from support.webhookparts.server import NAME, PATIENCE, UNBOUND, Running

BODY = json.dumps(
    {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "orders",
            "object": pod(),
        },
    }
).encode()
REVIEW = b"POST /inject?timeout=5s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.told.delay.set()
    running.begin_stop()
    running.join()


@pytest.fixture
def wire(server: Running) -> Iterator[ssl.SSLSocket]:
    trust = ssl.create_default_context(cadata=server.certificates.bundle.decode())
    with (
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as plain,
        trust.wrap_socket(plain, server_hostname=NAME) as secure,
    ):
        yield secure


def answers(wire: ssl.SSLSocket, count: int) -> list[tuple[bytes, bytes]]:
    """First lines and bodies of the next answers."""
    found: list[tuple[bytes, bytes]] = []
    text = b""
    while len(found) < count:
        head, end, rest = text.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]) if end else -1
        if end and len(rest) >= length:
            found.append((head.split(b"\r\n")[0], rest[:length]))
            text = rest[length:]
            continue
        more = wire.recv(65536)
        assert more, f"the server hung up after {found} {text!r}"
        text += more
    return found


def hung_up(wire: ssl.SSLSocket) -> bool:
    return wire.recv(1) == b""


@pytest.mark.parametrize("size", [1, 7, 100, 16384])
def test_a_request_in_pieces_is_the_same_request(wire: ssl.SSLSocket, size: int) -> None:
    for start in range(0, len(REVIEW), size):
        wire.sendall(REVIEW[start : start + size])

    ((first, body),) = answers(wire, 1)

    assert first == b"HTTP/1.1 200 OK"
    assert json.loads(body)["response"]["allowed"] is True


def test_a_chunked_body_is_the_same_body(wire: ssl.SSLSocket) -> None:
    head = b"POST /inject HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:10], BODY[10:]))

    wire.sendall(head + chunks + b"0\r\n\r\n")

    assert json.loads(answers(wire, 1)[0][1])["response"]["allowed"] is True


def test_a_chunked_body_that_gets_too_large_is_cut_off(wire: ssl.SSLSocket) -> None:
    wire.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    piece = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
    for _ in range(LARGEST_BODY // 65536 + 1):
        wire.sendall(piece)

    assert answers(wire, 1)[0][0].startswith(b"HTTP/1.1 413 ")
    assert hung_up(wire)


def test_requests_sent_at_once_are_answered_in_order(server: Running, wire: ssl.SSLSocket) -> None:
    server.told.heard, server.told.stored = UNBOUND, FACTS
    server.told.delay.clear()
    wire.sendall(HEALTH + REVIEW + HEALTH + REVIEW)

    ((_, first),) = answers(wire, 1)
    assert server.told.looking.wait(PATIENCE)
    server.told.delay.set()
    second, third, fourth = answers(wire, 3)

    assert first == third[1] == b"alive\n"
    assert json.loads(second[1])["response"]["allowed"] is True
    assert json.loads(fourth[1])["response"]["allowed"] is True


def test_a_client_that_reads_nothing_is_read_no_further(server: Running, wire: ssl.SSLSocket) -> None:
    wire.settimeout(2)

    with pytest.raises(TimeoutError):
        wire.sendall(HEALTH * 1_000_000)

    assert server.connect().review(pod())["allowed"] is True


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /healthz HTTP/1.0\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_a_client_that_wants_one_answer_gets_one(wire: ssl.SSLSocket, request_: bytes) -> None:
    wire.sendall(request_)

    assert answers(wire, 1) == [(b"HTTP/1.1 200 OK", b"alive\n")]
    assert hung_up(wire)


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /inject HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_is_no_request_of_ours_is_refused_and_ends_the_connection(
    server: Running, wire: ssl.SSLSocket, request_: bytes
) -> None:
    wire.sendall(request_)

    ((first, _),) = answers(wire, 1)
    assert int(first.split()[1]) in (200, 400, 404)
    if first.split()[1] == b"400":
        assert hung_up(wire)
    assert server.connect().review(pod())["allowed"] is True


def test_many_clients_at_once_are_all_answered(server: Running) -> None:
    denied: list[bool] = []

    def many() -> None:
        connection = server.connect()
        denied.extend(not connection.review(pod())["allowed"] for _ in range(20))

    threads = [threading.Thread(target=many) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert denied == [False] * 320
    assert not any(thread.is_alive() for thread in threads)
