"""One process kubelet on a control plane, the pods that tests give it, and what became of them."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controlplane import binaries
from controlplane.plane import ControlPlane
from controlplane.processes import Process
from e2e.kubectl import Kubectl
from e2e.objects import Refusal
from e2e.waiting import eventually
from integration.shared_plane import SharedPlane

Json = dict[str, Any]

IMAGES = [
    {"image": "shell:*", "entrypoint": ["sh", "-c"], "env": {"FROM_IMAGE": "yes"}, "binds": {"/tool": "/bin/echo"}},
    {
        "image": "web:*",
        "entrypoint": [sys.executable, "-m", "http.server"],
        "args": ["8080"],
        "binds": {sys.prefix: sys.prefix},  # the checkout may be under /tmp, of which a container has its own
    },
]


@contextmanager
def ground(shared: SharedPlane, directory: Path) -> Iterator[Kubectl]:
    """A cluster, by its kubectl, whose node is Ready, for as long as the block lasts."""
    kubelet = _kubelet(shared.plane, directory)
    try:
        shared.kubectl("wait", "--for=create", "node/node-1", "--timeout=100s")
        shared.kubectl("wait", "--for=condition=Ready", "node/node-1", "--timeout=100s")
        yield shared.kubectl
    finally:
        kubelet.stop()
        shared.kubectl("delete", "node", "node-1")


def shell(script: str, **more: object) -> Json:
    return {"name": "main", "image": "shell:1", "args": [script], **more}


def pod(name: str, container: Json, **spec: object) -> Json:
    meta = {"name": name, "labels": {"app": name}}
    fields = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 20, "containers": [container], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": fields}


def phase(kubectl: Kubectl, name: str, wanted: str) -> Json:
    """The pod's status once it is in this phase."""

    def look() -> Json:
        status: Json = kubectl.get("pod", name, "default")["status"]
        assert status["phase"] == wanted, status
        return status

    return eventually(look, f"pod {name} is {wanted}")


def events(kubectl: Kubectl, name: str) -> dict[str, str]:
    """Reason to message of the pod's Events."""
    found = kubectl.list("events", fields=f"involvedObject.name={name}")
    return {event["reason"]: event["message"] for event in found}


def main_container(kubectl: Kubectl, name: str) -> Json:
    """The status of the pod's first container; AssertionError before it has one."""
    statuses: list[Json] = kubectl.get("pod", name, "default")["status"].get("containerStatuses", [])
    assert statuses, "no status yet"
    return statuses[0]


def waiting(kubectl: Kubectl, name: str, reason: str) -> Json:
    """The state of the pod's container once it waits with this reason."""

    def look() -> Json:
        told: Json = main_container(kubectl, name)["state"].get("waiting", {})
        assert told.get("reason") == reason, told
        return told

    return eventually(look, f"pod {name} waits with {reason}")


def forbid_binding(kubectl: Kubectl, name: str) -> None:
    """Have the API server refuse to bind the pod of this name, from when this returns."""
    policies = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": "not-this-one"}}
    bindings = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods/binding"]}
    rule = {"expression": f"object.metadata.name != '{name}'", "message": "not this one"}
    spec = {"matchConstraints": {"resourceRules": [bindings]}, "validations": [rule]}
    kubectl.apply({**policies, "kind": "ValidatingAdmissionPolicy", "spec": spec})
    use = {"policyName": "not-this-one", "validationActions": ["Deny"]}
    kubectl.apply({**policies, "kind": "ValidatingAdmissionPolicyBinding", "spec": use})
    target = {"apiVersion": "v1", "kind": "Node", "name": "node-1"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    path = f"/api/v1/namespaces/default/pods/{name}/binding?dryRun=All"

    def look() -> bool:
        with pytest.raises(Refusal) as refusal:
            kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(binding))
        return "not this one" in str(refusal.value)

    eventually(look, "the policy holds")


def _kubelet(plane: ControlPlane, directory: Path) -> Process:
    images = directory / "images.json"
    images.write_text(json.dumps(IMAGES))
    config = directory / "kubelet.json"
    told = {"kubeconfig": str(plane.admin), "node": "node-1", "directory": str(directory / "work")}
    told |= {"images": str(images), "trust": str(plane.ca), "streams": str(binaries.ensure().kubelet_streams)}
    config.write_text(json.dumps({**told, "hosts": ["203.0.113.1 sqladmin.googleapis.com"]}))
    command: list[str | Path] = [sys.executable, "-m", "controlplane.kubelet", "--config", config]
    return Process("kubelet", command, directory / "kubelet.log", os.environ)
