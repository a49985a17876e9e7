"""Admission: how long the webhook takes over real TLS, and how many pods it answers in a second."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Figure, percentile
from support.podshapes import pod
from support.webhookparts.server import Running

REVIEWS = 400
WARM_UP = 20
CLIENTS = (1, 8)
P99_LIMIT = {1: 20.0, 8: None}
"""Milliseconds. Of eight clients nothing is promised: here they take their turns with the server in one interpreter."""


def measure() -> Sequence[Figure]:
    """Latency and rate with one client and with eight, each over a connection that stands."""
    server = Running()
    try:
        return [figure for clients in CLIENTS for figure in _load(server, clients)]
    finally:
        server.told.delay.set()
        server.begin_stop()
        server.join()


def _load(server: Running, clients: int) -> Sequence[Figure]:
    each = REVIEWS // clients
    _client(server, WARM_UP)
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        loads = [pool.submit(_client, server, each) for _ in range(clients)]
        times = [taken for load in loads for taken in load.result()]
    passed = time.perf_counter() - began
    who = f"{clients} client{'s' if clients > 1 else ''}"
    return [
        Figure(f"admission p50, {who}", percentile(times, 50), "ms"),
        Figure(f"admission p99, {who}", percentile(times, 99), "ms", P99_LIMIT[clients]),
        Figure(f"admission rate, {who}", len(times) / passed, "pods/s"),
    ]


def _client(server: Running, count: int) -> list[float]:
    """Milliseconds of each review; the client shares the interpreter with the server, so its own part is in them."""
    connection, body, times = server.connect(), pod(), []
    connection.connect()
    # As the API server's own client does; without it every second packet waits 40 ms for an acknowledgement.
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(count):
        began = time.perf_counter()
        allowed = connection.review(body)["allowed"]
        times.append((time.perf_counter() - began) * 1000)
        if allowed is not True:
            raise RuntimeError("the webhook denied the pod of the benchmark")
    connection.close()
    return times
