"""The chain, warm: from manifest to Ready, calls to Google's APIs, and memory of operator and webhook.

Seconds are those of a person at a terminal: the starts of kubectl, about four on the way to Ready, are in them.
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from benchmarks.figures import Figure, median
from benchmarks.memory import resident
from cloudsql_emulator.admin_client import JournalEntry
from controlplane import binaries
from e2e import chain, world
from e2e.cloud import Cloud
from e2e.scenes import Stage
from e2e.tenant import Tenant
from e2e.waiting import eventually

ROUNDS = 5
LIMIT = {"operator": 512.0, "webhook": 256.0}
"""MiB: the memory limits of the chart's default values."""


def measure() -> Sequence[Figure]:
    """Start a chain, let one tenant come as a warm-up, then measure some more."""
    parts = chain.started(chain.settings(binaries.ensure(_say)), _say)
    try:
        stage = Stage(parts, Cloud(parts.directory))
        _Round(stage, 0).play()
        rounds = [_Round(stage, number) for number in range(1, ROUNDS + 1)]
        for each in rounds:
            each.play()
            _say(f"{each.tenant.name}: Ready after {each.seconds:.2f} s; calls: {each.shown}")
        return [*_times(rounds), *_memory()]
    finally:
        parts.stop()


class _Round:
    """One tenant with one user and one grant, from apply to gone."""

    def __init__(self, stage: Stage, number: int) -> None:
        self.tenant = Tenant(stage, f"bench-{number}")
        self.seconds = 0.0
        self.first: list[JournalEntry] = []
        self.second: list[JournalEntry] = []

    @property
    def shown(self) -> str:
        """The calls of the first reconcile, counted by method."""
        counted = Counter(entry.method or entry.kind for entry in self.first)
        return ", ".join(f"{count} {method}" for method, count in sorted(counted.items()))

    def play(self) -> None:
        """Measure, and leave everything as it was."""
        tenant, control = self.tenant, self.tenant.stage.cloud.control
        tenant.arrive()
        tenant.instance()
        tenant.ready("csqli")
        tenant.account("app")
        start = control.position()
        began = time.perf_counter()
        tenant.user("app")
        tenant.grant("reads", "app")
        tenant.ready("csqlu", "app")
        tenant.ready("dbg", "reads")
        self.seconds = time.perf_counter() - began
        self.first = self._since(start)
        start = control.position()
        tenant.look_now("csqlu", "app")
        tenant.look_now("dbg", "reads")
        self.second = self._since(start)
        tenant.leave()
        eventually(lambda: not tenant.kubectl.get("csqli", tenant.name), "the tenant has left")

    def _since(self, start: int) -> list[JournalEntry]:
        caller = f"serviceAccount:{world.OPERATOR}"
        return self.tenant.stage.cloud.control.journal(since=start, caller=caller)


def _times(rounds: Sequence[_Round]) -> Sequence[Figure]:
    return [
        Figure("apply to Ready, one user and one grant, median", median([r.seconds for r in rounds]), "s"),
        Figure("apply to Ready, slowest", max(r.seconds for r in rounds), "s"),
        Figure("calls of the first reconcile", median([len(r.first) for r in rounds]), "calls"),
        Figure("calls of the second reconcile", median([len(r.second) for r in rounds]), "calls"),
        Figure("writes of the second reconcile", sum(e.write for r in rounds for e in r.second), "calls", 0),
    ]


def _memory() -> Sequence[Figure]:
    found = {
        "operator": resident(os.getpid(), "cloudsql_iam_operator run"),
        "webhook": resident(os.getpid(), "cloudsql_iam_operator webhook"),
    }
    missing = sorted(name for name, sizes in found.items() if not sizes)
    if missing:
        raise RuntimeError(f"no process found for {', '.join(missing)}: its memory cannot be told")
    return [Figure(f"RSS of the {name}", max(sizes), "MiB", LIMIT[name]) for name, sizes in found.items()]


def _say(line: str) -> None:
    print(f"   chain: {line}", file=sys.stderr, flush=True)
