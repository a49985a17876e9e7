"""NetworkPolicies of workloads that ask, on a real API server, with the rights that the chart gives the operator."""

import json
import subprocess

import kubernetes.client
import kubernetes.config
import pytest
import yaml

from cloudsql_iam_operator.adapters.cluster.networks import Networks
from cloudsql_iam_operator.adapters.cluster.rest import Rest
from cloudsql_iam_operator.core.injection.workloads.network import Ranges
from cloudsql_iam_operator.services.pods.networks import NetworkPolicies
from e2e.kubectl import Kubectl
from integration.shared_plane import SharedPlane
from support.webhookparts.manifests import JSON, annotated, workload
from support.webhookparts.site import CHART

RANGES = Ranges(apis=("199.36.153.4/30",), instances=("10.20.0.0/16", "::/0"))
KINDS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
NAMESPACE = "networked"


@pytest.fixture(scope="module")
def kubectl(shared: SharedPlane) -> Kubectl:
    """The tenant's namespace denies egress; the operator's ClusterRole is the chart's."""
    kubectl = shared.kubectl
    kubectl("create", "namespace", NAMESPACE)
    command = [str(shared.programs.helm), "template", "net", str(CHART), "--set=networkPolicies.enabled=true"]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    roles = {"ClusterRole", "ClusterRoleBinding", "ServiceAccount"}
    chosen = [o for o in yaml.safe_load_all(rendered) if o and o["kind"] in roles and o["metadata"]["name"] == "net"]
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(chosen))
    return kubectl


@pytest.fixture
def keeper(shared: SharedPlane, kubectl: Kubectl) -> NetworkPolicies:
    client = kubernetes.config.new_client_from_config(config_file=str(shared.plane.admin))
    client.set_default_header("Impersonate-User", "system:serviceaccount:default:net")
    return NetworkPolicies(Networks(Rest(client)), RANGES, lambda: None)


def policies(kubectl: Kubectl) -> list[JSON]:
    found = json.loads(kubectl("get", "networkpolicies", "-n", NAMESPACE, "-o", "json"))["items"]
    return [one for one in found if one["metadata"]["name"].startswith("cloudsql-proxy-")]


def test_each_kind_of_workload_gets_a_policy_that_is_written_once_and_goes_with_its_reason(
    kubectl: Kubectl, keeper: NetworkPolicies
) -> None:
    for kind in KINDS:
        body = workload(NAMESPACE, kind, annotated(NAMESPACE, inject="true", **{"network-policy": "true"}))
        spec = body["spec"]["jobTemplate"]["spec"] if kind == "CronJob" else body["spec"]
        spec["template"]["metadata"]["labels"] = {"app": "web"}
        kubectl("apply", "-f", "-", stdin=json.dumps(body))

    keeper.round()
    assert policies(kubectl) == []
    told = json.loads(kubectl("get", "events", "-n", NAMESPACE, "-o", "json"))["items"]
    refused = [event["involvedObject"]["kind"] for event in told if event["reason"] == "NetworkPolicyRefused"]
    assert sorted(refused) == sorted(KINDS)

    deny = {"podSelector": {}, "policyTypes": ["Egress"]}
    metadata = {"name": "default-deny", "namespace": NAMESPACE}
    whole = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": deny}
    kubectl("apply", "-f", "-", stdin=json.dumps(whole))
    keeper.round()
    made = policies(kubectl)
    assert sorted(one["metadata"]["ownerReferences"][0]["kind"] for one in made) == sorted(KINDS)

    keeper.round()
    assert policies(kubectl) == made

    kubectl("delete", "networkpolicy", "default-deny", "-n", NAMESPACE)
    keeper.round()
    assert policies(kubectl) == []
