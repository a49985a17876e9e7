"""`kubectl exec` and `kubectl port-forward` into pods of the process kubelet."""

import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.kubectl import Kubectl
from e2e.objects import Refusal
from e2e.waiting import eventually
from integration.controlplane.kubelet_ground import ground, phase, pod, shell
from integration.shared_plane import SharedPlane

PATIENCE = 60.0


@pytest.fixture(scope="module")
def kubectl(shared: SharedPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with ground(shared, tmp_path_factory.mktemp("kubelet")) as cluster:
        yield cluster


def test_a_command_runs_in_a_container_and_its_status_comes_back(kubectl: Kubectl) -> None:
    kubectl.declare(pod("entered", shell("cd /; sleep 600", env=[{"name": "MINE", "value": "of the pod"}])))
    phase(kubectl, "entered", "Running")

    assert kubectl("exec", "entered", "--", "sh", "-c", "echo $MINE; uname -n") == "of the pod\nentered\n"
    assert kubectl("exec", "-i", "entered", "--", "cat", stdin="typed\n") == "typed\n"
    with pytest.raises(Refusal, match="exit code 7"):
        kubectl("exec", "entered", "--", "sh", "-c", "exit 7")
    with pytest.raises(Refusal, match="absent is not valid"):
        kubectl("exec", "entered", "-c", "absent", "--", "true")


def test_a_port_of_a_pod_is_reached_from_where_kubectl_runs(kubectl: Kubectl) -> None:
    probe = {"httpGet": {"port": 8080}, "periodSeconds": 1}
    kubectl.declare(pod("forwarded", {"name": "main", "image": "web:1", "readinessProbe": probe}))
    kubectl("wait", "pod/forwarded", "--for=condition=Ready", "--timeout=100s")  # kubectl gives up once it is refused
    command: list[str | Path] = [kubectl.binary, "--kubeconfig", kubectl.kubeconfig, "port-forward"]
    with subprocess.Popen([*command, "pod/forwarded", ":8080"], stdout=subprocess.PIPE, text=True) as forward:
        assert forward.stdout is not None
        address = forward.stdout.readline().split()[2]

        assert "Directory listing" in eventually(lambda: fetched(address), "the forwarded port answers")
        forward.terminate()


def fetched(address: str) -> str:
    """What is served there; "" while nothing is."""
    try:
        with urllib.request.urlopen(f"http://{address}/", timeout=PATIENCE) as answer:
            return str(answer.read(), "utf-8")
    except OSError:
        return ""
