"""The planner alone: what a decision costs without a server around it, by processor time."""

import gc
import json
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.admitting.reviews import large_pod
from benchmarks.figures import Figure
from cloudsql_iam_operator.core.injection.outcome import Injected
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.shelf import Shelf
from support.podshapes import FACTS, SETTINGS, planned

PODS, ROUNDS = 400, 7
LIMIT = 0.1
"""Milliseconds."""


def measure() -> Sequence[Figure]:
    """Plans of replicas, of pods that differ in one container, and without anything that was known before."""
    assert isinstance(planned(large_pod("x")), Injected)
    numbers = [f"{number:05d}" for number in range(PODS)]
    replicas = [_parsed(large_pod("kube", token=each)) for each in numbers]
    different = [[_parsed(large_pod(f"{k}{each}", token=each)) for each in numbers] for k in range(ROUNDS)]
    shelf = Shelf()
    return [
        Figure("planner, replicas", _milliseconds([replicas] * ROUNDS, shelf), "ms", LIMIT),
        Figure("planner, one container of three is another", _milliseconds(different, shelf), "ms", LIMIT),
        Figure("planner, nothing is known", _milliseconds(different, None), "ms"),
    ]


def _parsed(pod: dict[str, Any]) -> dict[str, Any]:
    """As it comes out of JSON: no two pods share a value."""
    body: dict[str, Any] = json.loads(json.dumps(pod))
    return body


def _milliseconds(rounds: Sequence[Sequence[dict[str, Any]]], shelf: Shelf | None) -> float:
    """Of one plan, in the round that was disturbed least."""
    gc.collect()
    gc.freeze()
    taken = []
    for bodies in rounds:
        began = time.process_time()
        for body in bodies:
            plan(body, FACTS, SETTINGS, shelf)
        taken.append(time.process_time() - began)
    gc.unfreeze()
    return min(taken) / PODS * 1000
