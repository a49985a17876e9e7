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
from benchmarks.admitting.news import COMING, FINISHED
from benchmarks.admitting.reviews import CHANGING, large_pod, review
from benchmarks.admitting.sending import sent
from benchmarks.figures import Figure, percentile, table
from support.podshapes import FACTS

REVIEWS, FEW, MANY = 8_000, 800, 30_000
WARM_UP = 20
"""One more review for so many is sent beforehand, and not counted."""

CLIENTS = (1, 8)
RATE, P99, BUSY_P99, FIRST, MEMORY = 3_000.0, 5.0, 10.0, 20.0, 100.0
"""Reviews of one core in a second; milliseconds of a review, of one while there is much news, and of the first one
after a start; MiB."""

EVENTS = 150.0
"""In a second, at the least: the reconciler causes 180."""

REPLICAS = review(large_pod("kube", token=CHANGING))
DIFFERENT = review(large_pod(CHANGING))
OBJECTS = 2 * (FINISHED + COMING)

Program = subprocess.Popen[str]


@dataclass(frozen=True, slots=True)
class Used:
    """What a server has used: CPU seconds, and MiB at the most."""

    cpu: float
    rss: float


@dataclass(frozen=True, slots=True)
class Work:
    """Reviews to be answered. `limit` is for the milliseconds that 99 of 100 take."""

    what: str
    body: str
    clients: int = 8
    count: int = REVIEWS
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """Work that was answered, in so many CPU seconds of the server."""

    work: Work
    sent: Sent
    cpu: float

    @property
    def rate(self) -> float:
        """Reviews in a second of the server's CPU."""
        return len(self.sent.each) / self.cpu

    def figures(self) -> list[Figure]:
        """Rates and latencies."""
        times = [taken * 1000 for taken in self.sent.each]
        who = f"{self.work.what}, {self.work.clients} client{'s' if self.work.clients > 1 else ''}"
        return [
            Figure(f"{who}: per core", self.rate, "/s"),
            Figure(f"{who}: on this machine now", len(times) / self.sent.seconds, "/s"),
            Figure(f"{who}: p50", percentile(times, 50), "ms"),
            Figure(f"{who}: p99", percentile(times, 99), "ms", self.work.limit),
        ]


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    process: Program
    port: int
    name: str
    bundle: str

    def used(self) -> Used:
        """What it has used so far."""
        return Used(**json.loads(_said(self.process, "")))

    def answers(self, body: str, clients: int, count: int) -> Sent:
        """Send it so many reviews, from another process."""
        return sent(Load(self.port, self.name, self.bundle, body, clients, count))

    def does(self, work: Work) -> Done:
        """Have it answer all of the work, warm."""
        self.answers(work.body, 8, max(8, work.count // WARM_UP))
        before = self.used()
        answered = self.answers(work.body, work.clients, work.count)
        return Done(work, answered, self.used().cpu - before.cpu)


def measure() -> Sequence[Figure]:
    """The webhook beside other servers, with much news of the cluster, its planner alone, and on an API server."""
    figures: list[Figure] = []
    for part in (_servers, _with_news, planner.measure, cluster.measure):
        found = part()
        print(table("admission, so far", found), file=sys.stderr, flush=True)
        figures += found
    return figures


def _servers() -> Sequence[Figure]:
    answer = {"allowed": True, "patchType": "JSONPatch", "patch": "x" * 2400}
    with _serving("bare", answer) as server:
        bare = server.does(Work("bare uvicorn and orjson", DIFFERENT))
    with _serving("usual") as server:
        usual = server.does(Work("kopf's webhook server", DIFFERENT, count=FEW))
    with _serving("webhook") as server:
        first = server.answers(review(large_pod("first")), 1, 1).each[0] * 1000
        figures = [*bare.figures(), *usual.figures(), Figure("first review after a start", first, "ms", FIRST)]
        for what, body in (("webhook, replicas", REPLICAS), ("webhook, all different", DIFFERENT)):
            done = [server.does(Work(what, body, clients, limit=P99)) for clients in CLIENTS]
            rate = done[-1].rate
            figures += [figure for each in done for figure in each.figures()]
            figures.append(Figure(f"{what}: share of the bare server", rate / bare.rate, "", 1 / 3, at_least=True))
            figures.append(Figure(f"{what}: reviews per core", rate, "/s", max(RATE, bare.rate / 3), at_least=True))
        figures.append(Figure("webhook: resident memory at the most", server.used().rss, "MiB", MEMORY))
    return figures


def _with_news() -> Sequence[Figure]:
    """The same while the webhook hears of objects that are made and reconciled: of others', and of its pods' own."""
    figures: list[Figure] = []
    for namespace, where in (("elsewhere", "another namespace"), (FACTS.namespace, "the pods' own namespace")):
        what = f"webhook, all different, {OBJECTS:,} objects worked through in {where}"
        with _talking("news", namespace) as news, _serving("webhook", json.loads(_said(news, None))["port"]) as server:
            _said(news, "")
            done = server.does(Work(what, DIFFERENT, count=MANY, limit=BUSY_P99))
            told = json.loads(_said(news, ""))
            figures += [
                *done.figures(),
                Figure(f"{what}: events", told["sent"] / told["seconds"], "/s", EVENTS, at_least=True),
            ]
    return figures


@contextmanager
def _serving(which: str, told: Any = None) -> Iterator[Server]:
    with _talking("serving", which) as process:
        at = json.loads(_said(process, json.dumps(told)))
        yield Server(process, at["port"], at["name"], at["bundle"])


@contextmanager
def _talking(part: str, *arguments: str) -> Iterator[Program]:
    """A part of the benchmark as a process of its own."""
    command = [sys.executable, "-m", f"benchmarks.admitting.{part}", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(os.environ)) as process:
        try:
            yield process
        finally:
            process.kill()


def _said(process: Program, line: str | None) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline()
