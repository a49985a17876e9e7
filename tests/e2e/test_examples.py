"""Every example is applied as it stands, all of its manifests at once, and everything in it becomes Ready."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e import world
from e2e.chain import ROOT
from e2e.scenes import Stage

EXAMPLES = sorted(path for path in (ROOT / "examples").iterdir() if path.is_dir())
OURS = {"CloudSQLInstance": "csqli", "CloudSQLIAMUser": "csqlu", "DatabaseGrant": "dbg"}
GOOGLE_ACCOUNT = "iam.gke.io/gcp-service-account"

Manifest = dict[str, Any]


@pytest.fixture(params=EXAMPLES, ids=lambda path: str(path.name))
def example(request: pytest.FixtureRequest, stage: Stage) -> Iterator[list[Manifest]]:
    """The objects of an example, whose namespaces and Google accounts exist; at the end all of it is gone."""
    directory: Path = request.param
    objects = [one for path in sorted(directory.rglob("*.yaml")) for one in yaml.safe_load_all(path.read_text()) if one]
    kubectl = stage.chain.kubectl
    namespaces = {one["metadata"]["namespace"] for one in objects if "namespace" in one["metadata"]}
    for namespace in sorted(namespaces):
        kubectl.gone("namespace", namespace)
        kubectl("create", "namespace", namespace)
    for one in objects:
        _give_account(stage, one)
    kubectl("apply", "--recursive", "-f", str(directory))
    yield objects
    kubectl("delete", "--wait=false", "--recursive", "-f", str(directory))
    for kind, name, namespace in _ours(objects):
        kubectl.gone(kind, name, namespace)
    for namespace in sorted(namespaces):
        kubectl("delete", "deployments,pods", "--all", "-n", namespace, "--grace-period=1", "--timeout=60s")
        kubectl("delete", "namespace", namespace, "--wait=false")


def test_an_example_becomes_ready_as_it_stands(stage: Stage, example: list[Manifest]) -> None:
    kubectl = stage.chain.kubectl

    ready = [kubectl.ready(kind, name, namespace)["status"] for kind, name, namespace in _ours(example)]

    assert set(ready) == {"True"}
    for one in example:
        if one["kind"] == "Deployment":
            name, namespace = one["metadata"]["name"], one["metadata"]["namespace"]
            kubectl("rollout", "status", "deployment", name, "-n", namespace, "--timeout=60s")


def test_there_are_examples() -> None:
    assert [path.name for path in EXAMPLES][:1] == ["01-first-login"]


def _ours(objects: list[Manifest]) -> list[tuple[str, str, str]]:
    """Kind, name and namespace of the objects of our kinds."""
    return [
        (OURS[one["kind"]], one["metadata"]["name"], one["metadata"].get("namespace", ""))
        for one in objects
        if one["kind"] in OURS
    ]


def _give_account(stage: Stage, one: Manifest) -> None:
    """Make the Google account that a ServiceAccount acts as, unless the world has it."""
    email = one["metadata"].get("annotations", {}).get(GOOGLE_ACCOUNT, "")
    if one["kind"] != "ServiceAccount" or not email or email == world.CHECKOUT:
        return
    control = stage.cloud.control
    control.add_principal("serviceAccount", email)
    workload = f"serviceAccount:{world.POOL}[{one['metadata']['namespace']}/{one['metadata']['name']}]"
    resource = f"projects/{world.PROJECT}/serviceAccounts/{email}"
    control.add_binding(resource, "roles/iam.workloadIdentityUser", workload)
