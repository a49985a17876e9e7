"""The control plane on its own: RBAC, controllers, audit log, memory."""

import pytest

from controlplane.plane import Account
from e2e.kubectl import Kubectl
from e2e.objects import Refusal
from e2e.waiting import eventually
from integration.shared_plane import SharedPlane

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


def as_account(shared: SharedPlane, account: Account) -> Kubectl:
    path = shared.plane.kubeconfig(account, shared.plane.directory / f"{account.user}.kubeconfig")
    return Kubectl(shared.programs.kubectl, path)


def test_the_server_knows_its_version(shared: SharedPlane) -> None:
    assert '"gitVersion": "v1.36.4"' in shared.kubectl("get", "--raw", "/version")


def test_definitions_can_be_made_before_the_controllers_start(shared: SharedPlane) -> None:
    assert shared.before == ["etcd", "kube-apiserver"]
    assert shared.kubectl.get("namespace", "early")["status"]["phase"] == "Active"


def test_the_controllers_make_pods_of_a_deployment(shared: SharedPlane) -> None:
    shared.kubectl.apply(DEPLOYMENT)

    pods = eventually(lambda: shared.kubectl.list("pods", labels="app=web"), "a pod is made")

    assert [pod["status"]["phase"] for pod in pods] == ["Pending"]
    shared.kubectl("delete", "deployment", "web", "-n", "default", "--cascade=foreground", "--timeout=100s")


def test_an_account_may_do_nothing_until_it_is_bound(shared: SharedPlane) -> None:
    ann = as_account(shared, Account("ann", ("platform",)))
    with pytest.raises(Refusal, match='User "ann" cannot list resource "secrets" in API group ""'):
        ann("get", "secrets", "-n", "early")

    shared.kubectl("create", "rolebinding", "platform-views", "-n", "early", "--clusterrole=admin", "--group=platform")

    listed = eventually(lambda: ann("get", "serviceaccounts", "-n", "early", "-o", "name"), "the binding is seen")
    assert listed == "serviceaccount/default\n"


def test_a_write_is_in_the_audit_log_when_it_is_answered_and_a_read_is_not(shared: SharedPlane) -> None:
    shared.kubectl("create", "configmap", "audited", "-n", "early")
    shared.kubectl("get", "configmap", "audited", "-n", "early")

    events = [
        (event["verb"], event["user"]["username"], event["responseStatus"]["code"])
        for event in shared.plane.audit_events()
        if event["objectRef"].get("name") == "audited"
    ]

    assert events == [("create", "admin", 201)]


def test_an_audit_event_holds_no_secret(shared: SharedPlane) -> None:
    shared.kubectl("create", "secret", "generic", "hidden", "-n", "early", "--from-literal=password=swordfish")

    log = (shared.plane.directory / "audit.log").read_text()

    assert "hidden" in log
    assert "swordfish" not in log


def test_memory_is_told_by_process(shared: SharedPlane) -> None:
    rss = shared.plane.rss()

    assert sorted(rss) == ["etcd", "kube-apiserver", "kube-controller-manager"]
    assert all(size > 20_000_000 for size in rss.values())


def test_keys_and_kubeconfigs_are_for_their_owner_only(shared: SharedPlane) -> None:
    files = [*shared.plane.directory.glob("*.key"), *shared.plane.directory.glob("*.kubeconfig")]

    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
