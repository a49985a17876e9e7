"""What a wave costs the API server alone: objects as they are declared, a finalizer and two statuses each.

No operator runs meanwhile. An operator that holds its objects and records what it is about to do cannot cost less.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks.memory import used
from cloudsql_iam_operator.api.names import FINALIZER
from e2e.fleet import KINDS, Fleet, Place
from e2e.scenes import Stage

NAMESPACE = "floor"
SIZE = 100
"""Users, with a grant each."""

SERVERS = ("kube-apiserver", "etcd --data-dir")
SINCE = "2026-01-01T00:00:00Z"


def floor(stage: Stage, places: Sequence[Place]) -> float:
    """Seconds of the machine for one object, all of its processors at work."""
    stage.chain.kubectl.declare({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    fleet = Fleet(stage, NAMESPACE, SIZE, places)
    fleet.operators(0)
    try:
        before = _processor()
        fleet.declare()
        objects = [
            (kind, one["metadata"]["name"]) for kind in KINDS for one in stage.chain.kubectl.list(kind, NAMESPACE)
        ]
        for step in (_held, _recorded, _told):
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda one, step=step: step(stage, *one), objects))
        cost = _processor() - before
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: _let_go(stage, *one), objects))
        fleet.delete(120.0)
    finally:
        fleet.operators(1)
    return cost / len(objects) / (os.cpu_count() or 1)


def _processor() -> float:
    return sum(used(os.getpid(), words) for words in SERVERS)


def _held(stage: Stage, kind: str, name: str) -> None:
    _patched(stage, kind, name, {"metadata": {"finalizers": [FINALIZER]}})


def _let_go(stage: Stage, kind: str, name: str) -> None:
    _patched(stage, kind, name, {"metadata": {"finalizers": None}})


def _recorded(stage: Stage, kind: str, name: str) -> None:
    _patched(stage, kind, name, {"status": _record(kind, name)}, "status")


def _told(stage: Stage, kind: str, name: str) -> None:
    layers = ("Ready", "AccessAllowed", "UserReady" if kind == "csqlu" else "GrantsApplied")
    conditions = [
        {
            "type": layer,
            "status": "True",
            "reason": "Succeeded",
            "message": "as declared",
            "observedGeneration": 1,
            "lastTransitionTime": SINCE,
        }
        for layer in layers
    ]
    _patched(stage, kind, name, {"status": {"conditions": conditions}}, "status")


def _record(kind: str, name: str) -> dict[str, Any]:
    told = {"instance": "acme-prod:europe-west1:orders", "instanceName": "orders", "admittedAt": SINCE}
    if kind == "csqlu":
        bindings = [{"role": f"roles/cloudsql.{role}", "added": True} for role in ("client", "instanceUser")]
        return {**told, "member": f"serviceAccount:{name}", "username": name, "iam": {"bindings": bindings}}
    places = [{"schemas": ["app"], "grants": [{"kind": "Table", "names": ["*"], "privileges": ["SELECT"]}]}]
    return {**told, "database": "orders", "applied": [{"roles": [name], "places": places}]}


def _patched(stage: Stage, kind: str, name: str, body: dict[str, Any], part: str = "") -> None:
    stage.chain.kubectl.patch(kind, name, NAMESPACE, body, part)
