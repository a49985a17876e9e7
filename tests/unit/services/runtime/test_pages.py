"""Probes and metrics are answered, and whoever calls takes no more than a few threads."""

import contextlib
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cloudsql_iam_operator.services.runtime.pages import MOST_CONNECTIONS, Page, PageServer, metrics

PATIENCE = 60.0


@pytest.fixture
def server() -> Iterator[PageServer]:
    running = PageServer(0, {"/well": lambda: Page(200), "/ill": lambda: Page(503), "/metrics": metrics})
    running.start("pages")
    yield running
    running.shutdown()
    running.server_close()


def status(server: PageServer, path: str) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=PATIENCE) as answered:
            return int(answered.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_each_path_is_answered_and_others_are_not(server: PageServer) -> None:
    assert [status(server, path) for path in ("/well", "/ill", "/well?x=1", "/", "/metrics")] == [
        200,
        503,
        200,
        404,
        200,
    ]


def test_metrics_are_what_prometheus_reads(server: PageServer) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=PATIENCE) as answered:
        assert answered.headers["Content-Type"].startswith("text/plain; version=")
        assert b"# TYPE python_info gauge" in answered.read()


def test_eight_hundred_idle_connections_take_a_few_threads_and_probes_go_on(server: PageServer) -> None:
    before = threading.active_count()
    with ExitStack() as held:
        for number in range(800):
            held.enter_context(socket.create_connection(("127.0.0.1", server.server_port), PATIENCE))
            if number % 50 == 0:
                assert status(server, "/well") == 200

        assert status(server, "/well") == 200
        assert threading.active_count() <= before + 2 * MOST_CONNECTIONS


def test_requests_that_never_end_make_room_for_a_probe(server: PageServer) -> None:
    with ExitStack() as held:
        slow = [held.enter_context(socket.create_connection(("127.0.0.1", server.server_port))) for _ in range(64)]
        for connection in slow:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET /well HTTP/1.1\r\nx: ")

        assert status(server, "/well") == 200
