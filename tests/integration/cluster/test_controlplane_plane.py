"""The control plane on its own: RBAC, controllers, audit log, memory."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controlplane import binaries, network
from controlplane.plane import Account, ControlPlane
from e2e.kubectl import Kubectl
from e2e.objects import Refusal
from e2e.waiting import eventually

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web"}]},
        },
    },
}


@dataclass(slots=True)
class Started:
    """A control plane that runs, its administrator, and the processes there were before its controllers."""

    plane: ControlPlane
    kubectl: Kubectl
    before: list[str] = field(default_factory=list)

    def as_account(self, account: Account) -> Kubectl:
        path = self.plane.kubeconfig(account, self.plane.directory / f"{account.user}.kubeconfig")
        return Kubectl(self.kubectl.binary, path)


def directory() -> Path:
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    return Path(tempfile.mkdtemp(prefix="plane-", dir=os.environ["CHAIN_DIR"]))


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    network.prepare()
    programs = binaries.ensure()
    plane = ControlPlane(directory(), programs)
    started = Started(plane, Kubectl(programs.kubectl, plane.admin))

    def before_controllers() -> None:
        started.kubectl("create", "namespace", "early")
        started.before = sorted(plane.rss())

    plane.start(before_controllers)
    try:
        plane.await_controllers()
        yield started
    finally:
        plane.stop()


def test_the_server_knows_its_version(started: Started) -> None:
    assert '"gitVersion": "v1.36.4"' in started.kubectl("get", "--raw", "/version")


def test_definitions_can_be_made_before_the_controllers_start(started: Started) -> None:
    assert started.before == ["etcd", "kube-apiserver"]
    assert started.kubectl.get("namespace", "early")["status"]["phase"] == "Active"


def test_the_controllers_make_pods_of_a_deployment(started: Started) -> None:
    started.kubectl.apply(DEPLOYMENT)

    pods = eventually(lambda: started.kubectl.list("pods", labels="app=web"), "a pod is made")

    assert [pod["status"]["phase"] for pod in pods] == ["Pending"]


def test_an_account_may_do_nothing_until_it_is_bound(started: Started) -> None:
    ann = started.as_account(Account("ann", ("platform",)))
    with pytest.raises(Refusal, match='User "ann" cannot list resource "secrets" in API group ""'):
        ann("get", "secrets", "-n", "early")

    started.kubectl("create", "rolebinding", "platform-views", "-n", "early", "--clusterrole=admin", "--group=platform")

    listed = eventually(lambda: ann("get", "serviceaccounts", "-n", "early", "-o", "name"), "the binding is seen")
    assert listed == "serviceaccount/default\n"


def test_a_write_is_in_the_audit_log_when_it_is_answered_and_a_read_is_not(started: Started) -> None:
    started.kubectl("create", "configmap", "audited", "-n", "early")
    started.kubectl("get", "configmap", "audited", "-n", "early")

    events = [
        (event["verb"], event["user"]["username"], event["responseStatus"]["code"])
        for event in started.plane.audit_events()
        if event["objectRef"].get("name") == "audited"
    ]

    assert events == [("create", "admin", 201)]


def test_an_audit_event_holds_no_secret(started: Started) -> None:
    started.kubectl("create", "secret", "generic", "hidden", "-n", "early", "--from-literal=password=swordfish")

    log = (started.plane.directory / "audit.log").read_text()

    assert "hidden" in log
    assert "swordfish" not in log


def test_memory_is_told_by_process(started: Started) -> None:
    rss = started.plane.rss()

    assert sorted(rss) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert all(size > 20_000_000 for size in rss.values())


def test_keys_and_kubeconfigs_are_for_their_owner_only(started: Started) -> None:
    files = [*started.plane.directory.glob("*.key"), *started.plane.directory.glob("*.kubeconfig")]

    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
