"""Admission: how many reviews a core answers, and how fast, beside a bare server in the same run.

Servers and load are processes of their own. What a machine gives a process at the moment is in the latencies; how much
of a core a review costs is measured by the server's own CPU time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.admitting import cluster, planner
from benchmarks.admitting.load import Load, Sent
from benchmarks.admitting.reviews import CHANGING, large_pod, review
from benchmarks.admitting.sending import sent
from benchmarks.figures import Figure, percentile, table

REVIEWS, FEW = 8_000, 800
WARM_UP = 400
CLIENTS = (1, 8)
RATE, P99, FIRST, MEMORY = 3_000.0, 5.0, 20.0, 100.0
"""Reviews of one core in a second, milliseconds of a review and of the first one after a start, and MiB."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a server has used: CPU seconds, and MiB at the most."""

    cpu: float
    rss: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    name: str
    bundle: str

    def used(self) -> Used:
        """What it has used so far."""
        return Used(**json.loads(_said(self.process, "")))

    def answers(self, body: str, clients: int, count: int) -> Sent:
        """Send it so many reviews, from another process."""
        return sent(Load(self.port, self.name, self.bundle, body, clients, count))


def measure() -> Sequence[Figure]:
    """The webhook beside a bare server, its planner alone, and on an API server."""
    figures: list[Figure] = []
    for part in (_servers, planner.measure, cluster.measure):
        found = part()
        print(table("admission, so far", found), file=sys.stderr, flush=True)
        figures += found
    return figures


def _servers() -> Sequence[Figure]:
    answer = {"allowed": True, "patchType": "JSONPatch", "patch": "x" * 2400}
    figures: list[Figure] = []
    with _serving("bare", answer) as bare:
        bare.answers(review(large_pod(CHANGING)), 8, WARM_UP)
        floor, found = _measured(bare, "bare uvicorn and orjson", review(large_pod(CHANGING)), 8)
        figures += found
    with _serving("usual") as usual:
        usual.answers(review(large_pod(CHANGING)), 8, FEW // 10)
        figures += _measured(usual, "kopf's webhook server", review(large_pod(CHANGING)), 8, FEW)[1]
    with _serving("webhook") as server:
        first = server.answers(review(large_pod("first")), 1, 1).each[0] * 1000
        figures.append(Figure("first review after a start", first, "ms", FIRST))
        for what, body in (("replicas", large_pod("kube", token=CHANGING)), ("all different", large_pod(CHANGING))):
            server.answers(review(body), 8, WARM_UP)
            for clients in CLIENTS:
                rate, found = _measured(server, f"webhook, {what}", review(body), clients)
                figures += found
            least = max(RATE, floor / 3)
            figures.append(Figure(f"webhook, {what}: share of the bare server", rate / floor, "", 1 / 3, at_least=True))
            figures.append(Figure(f"webhook, {what}: reviews per core", rate, "/s", least, at_least=True))
        figures.append(Figure("webhook: resident memory at the most", server.used().rss, "MiB", MEMORY))
    return figures


def _measured(server: Server, what: str, body: str, clients: int, count: int = REVIEWS) -> tuple[float, list[Figure]]:
    before = server.used()
    sent = server.answers(body, clients, count)
    after = server.used()
    rate = len(sent.each) / (after.cpu - before.cpu)
    times = [taken * 1000 for taken in sent.each]
    limit = P99 if what.startswith("webhook") else None
    who = f"{what}, {clients} client{'s' if clients > 1 else ''}"
    return rate, [
        Figure(f"{who}: per core", rate, "/s"),
        Figure(f"{who}: on this machine now", len(times) / sent.seconds, "/s"),
        Figure(f"{who}: p50", percentile(times, 50), "ms"),
        Figure(f"{who}: p99", percentile(times, 99), "ms", limit),
    ]


@contextmanager
def _serving(which: str, answer: dict[str, Any] | None = None) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.admitting.serving", which]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(os.environ)) as process:
        try:
            at = json.loads(_said(process, json.dumps(answer) if answer else None))
            yield Server(process, at["port"], at["name"], at["bundle"])
        finally:
            process.kill()


def _said(process: "subprocess.Popen[str]", line: str | None) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline()
