"""The chart's ValidatingAdmissionPolicy on a real API server: who takes our finalizer off an object, and who cannot."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudsql_iam_operator.api.names import API_VERSION, FINALIZER
from e2e.objects import Refusal
from e2e.waiting import eventually
from integration.shared_plane import SharedPlane

CHART = Path(__file__).parents[3] / "charts" / "cloudsql-iam-operator"
SPACE = "finalizers"
OPERATOR = f"system:serviceaccount:{SPACE}:watchman"
OFF = '{"metadata": {"finalizers": null}}'


@pytest.fixture(scope="module")
def policed(shared: SharedPlane) -> Iterator[SharedPlane]:
    """The policy in force as the chart has it, and a namespace with somebody who may edit everything in it."""
    shown = ("--show-only", "templates/finalizer-policy.yaml")
    command = [str(shared.programs.helm), "template", "watchman", str(CHART), "-n", SPACE, *shown]
    command += ["--set", "finalizerPolicy.breakGlassGroups={dba}"]
    policy = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shared.kubectl("create", "namespace", SPACE)
    for who in ("tenant", OPERATOR, "dba-on-call"):
        name = who.rpartition(":")[2]
        shared.kubectl(
            "create", "clusterrolebinding", f"{SPACE}-{name}", "--clusterrole=cluster-admin", f"--user={who}"
        )
    shared.kubectl.apply(policy)
    grant("probe", shared)
    eventually(lambda: in_force(shared), "the policy is in force")
    yield shared
    shared.kubectl("delete", "-f", "-", stdin=policy)


def grant(name: str, shared: SharedPlane, *finalizers: str) -> None:
    spec: dict[str, Any] = {
        "instanceRef": {"name": "orders"},
        "database": "orders",
        "grantees": [{"role": "x"}],
        "grants": [{"kind": "Database", "privileges": ["CONNECT"]}],
    }
    metadata = {"name": name, "namespace": SPACE, "finalizers": [*finalizers, FINALIZER]}
    one = {"apiVersion": API_VERSION, "kind": "DatabaseGrant", "metadata": metadata, "spec": spec}
    shared.kubectl("create", "-f", "-", stdin=json.dumps(one))


def in_force(shared: SharedPlane) -> bool:
    """Whether the API server heeds the policy, which it learns of a moment after it is stored."""
    patch = json.dumps({"metadata": {"finalizers": [FINALIZER]}})
    shared.kubectl("patch", "dbg", "probe", "-n", SPACE, "--type=merge", "-p", patch)
    return refused(shared, "probe", "tenant") != ""


def refused(shared: SharedPlane, name: str, who: str, *groups: str) -> str:
    """Why a user may not take the finalizer off; "" when it did."""
    as_who = (f"--as={who}", *(f"--as-group={group}" for group in groups))
    try:
        shared.kubectl("patch", "dbg", name, "-n", SPACE, "--type=merge", "-p", OFF, *as_who)
    except Refusal as refusal:
        return str(refusal)
    return ""


def left(shared: SharedPlane, name: str) -> list[str]:
    found: list[str] = shared.kubectl.get("dbg", name, SPACE)["metadata"].get("finalizers", [])
    return found


def test_a_tenant_takes_the_operators_finalizer_off_in_no_way(policed: SharedPlane) -> None:
    grant("kept", policed)

    assert "only the operator takes" in refused(policed, "kept", "tenant", "system:authenticated")
    body = policed.kubectl.get("dbg", "kept", SPACE)
    del body["metadata"]["finalizers"]
    with pytest.raises(Refusal, match="only the operator takes"):
        policed.kubectl("replace", "-f", "-", "--as=tenant", stdin=json.dumps(body))
    policed.kubectl("delete", "dbg", "kept", "-n", SPACE, "--wait=false", "--as=tenant")
    assert "only the operator takes" in refused(policed, "kept", "tenant")
    assert left(policed, "kept") == [FINALIZER]


def test_whatever_else_a_tenant_does_to_its_object_is_let_through(policed: SharedPlane) -> None:
    grant("edited", policed, "example.com/mine")

    policed.kubectl("label", "dbg", "edited", "-n", SPACE, "a=b", "--as=tenant")
    patch = json.dumps({"metadata": {"finalizers": [FINALIZER]}})
    policed.kubectl("patch", "dbg", "edited", "-n", SPACE, "--type=merge", "-p", patch, "--as=tenant")

    assert left(policed, "edited") == [FINALIZER]


def test_the_operator_and_whom_the_platform_team_names_take_it_off(policed: SharedPlane) -> None:
    grant("released", policed)
    grant("broken", policed)

    assert refused(policed, "released", OPERATOR) == ""
    assert refused(policed, "broken", "dba-on-call", "dba") == ""

    assert left(policed, "released") == left(policed, "broken") == []
