"""The process kubelet on a real control plane: pods become processes, as kubectl and the controllers see them."""

import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from controlplane.kubelet.api import Api
from controlplane.kubelet.events import Events
from controlplane.kubelet.podlife import Node, PodLife
from controlplane.kubelet.podspec import parse
from controlplane.kubelet.sandboxes import Addresses
from controlplane.kubelet.settings import Images, Settings
from e2e.kubectl import Kubectl
from e2e.objects import Refusal
from e2e.waiting import eventually
from integration.controlplane.kubelet_ground import (
    Json,
    events,
    forbid_binding,
    ground,
    main_container,
    phase,
    pod,
    shell,
    waiting,
)
from integration.shared_plane import SharedPlane

DEADLINE = 24
"""Seconds, half of which a machine may stand still: the pods age while other tests run."""


@pytest.fixture(scope="module")
def kubectl(shared: SharedPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    with ground(shared, tmp_path_factory.mktemp("kubelet")) as cluster:
        for name, script in (("slow", "sleep 600"), ("slower", "sleep 12")):
            first = {**shell(script), "name": "first"}
            cluster.declare(pod(name, shell("sleep 600"), initContainers=[first], activeDeadlineSeconds=DEADLINE))
        yield cluster


class Narrow(Addresses):
    """One address, and not one that a network can have."""

    def __init__(self) -> None:
        self.free = ["nowhere"]

    def take(self) -> str:
        return self.free.pop()

    def give_back(self, address: str) -> None:
        self.free.append(address)


def test_a_deployment_becomes_available_through_its_readiness_probe(kubectl: Kubectl) -> None:
    probe = {"httpGet": {"port": "http", "path": "/etc/"}, "periodSeconds": 1}
    container = {"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{**container, "readinessProbe": probe}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}

    kubectl.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})

    kubectl("rollout", "status", "deployment/web", "--timeout=100s")
    pods = kubectl.list("pods", labels="app=web")
    assert len({one["status"]["podIP"] for one in pods}) == 2
    kubectl("delete", "deployment", "web")


def test_a_process_sees_its_environment_files_token_and_hosts(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "settings", "--from-literal=colour=blue")
    kubectl("create", "secret", "generic", "secrets", "--from-literal=word=open")
    env = [
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "secrets", "key": "word"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "BOTH", "value": "$(COLOUR)-$(WORD)-$(NOTHING)"},
    ]
    script = (
        "echo $FROM_IMAGE $BOTH; cat /files/word; echo; cat /files/labels; echo; hostname; grep googleapis /etc/hosts; "
        "grep -c BEGIN /etc/ssl/certs/ca-certificates.crt; /tool bound; grep -c $ADDRESS /etc/hosts; "
        "cut -c 1-2 /var/run/secrets/kubernetes.io/serviceaccount/token; echo said > /dev/termination-log; exit 3"
    )
    labels = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    sources = [{"secret": {"name": "secrets"}}, {"downwardAPI": labels}]
    mounts = [{"name": "files", "mountPath": "/files"}]

    kubectl.declare(
        pod(
            "seen",
            shell(script, env=env, volumeMounts=mounts),
            volumes=[{"name": "files", "projected": {"sources": sources}}],
        )
    )

    status = phase(kubectl, "seen", "Failed")
    ended = status["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["message"]) == (3, "said\n")
    assert kubectl("logs", "seen").splitlines() == [
        "yes blue-open-$(NOTHING)",
        "open",
        'app="seen"',
        "seen",
        "203.0.113.1 sqladmin.googleapis.com",
        "1",
        "bound",
        "1",
        "ey",
    ]


def test_a_job_completes_and_its_sidecar_starts_first_and_ends_last(kubectl: Kubectl) -> None:
    shared = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    ready = {"exec": {"command": ["test", "-e", "/shared/up"]}, "periodSeconds": 1}
    side = {
        **shell(
            "trap 'echo seen $(cat /shared/log); exit 0' TERM; touch /shared/up; while :; do sleep 0.1; done", **shared
        ),
        "name": "side",
        "restartPolicy": "Always",
        "startupProbe": ready,
    }
    first = {**shell("echo first >> /shared/log", **shared), "name": "first"}
    main = shell("test -e /shared/up && echo main >> /shared/log", **shared)
    fields = {"restartPolicy": "Never", "initContainers": [first, side], "containers": [main]}
    fields["volumes"] = [{"name": "shared", "emptyDir": {}}]

    kubectl.apply(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": {"template": {"spec": fields}}}
    )

    kubectl("wait", "--for=condition=complete", "job/job", "--timeout=100s")
    assert kubectl("logs", "job/job", "-c", "side") == "seen first main\n"
    kubectl("delete", "job", "job")


def test_deletion_runs_the_pre_stop_hook_before_the_process_is_told_to_end(kubectl: Kubectl) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hooked > /notes/hook"]}}}
    script = "trap 'cat /notes/hook; sleep 0.5; echo done; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    mounts = [{"name": "notes", "mountPath": "/notes"}]
    container = shell(script, lifecycle=hook, volumeMounts=mounts)
    kubectl.declare(pod("polite", container, volumes=[{"name": "notes", "emptyDir": {}}]))
    phase(kubectl, "polite", "Running")
    # the log goes with the pod, so it is followed while the pod ends
    command: list[str | Path] = [kubectl.binary, "--kubeconfig", kubectl.kubeconfig, "logs", "--follow", "polite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()

        kubectl("delete", "pod", "polite", "--timeout=100s")

        assert first + follower.stdout.read() == "up\nhooked\ndone\n"
    kubectl.gone("pod", "polite", "default")


def test_a_failing_container_is_started_again_and_its_last_log_is_kept(kubectl: Kubectl) -> None:
    container = shell("echo failing; exit 7", terminationMessagePolicy="FallbackToLogsOnError")

    kubectl.declare(pod("failing", container, restartPolicy="Always"))

    def look() -> Json:
        told = main_container(kubectl, "failing")
        assert told["restartCount"] >= 1, told
        assert told["lastState"], told
        return told

    last = eventually(look, "the container was started again")["lastState"]["terminated"]
    assert (last["exitCode"], last["message"]) == (7, "failing\n")
    assert kubectl("logs", "failing", "--previous") == "failing\n"
    kubectl("delete", "pod", "failing")


def test_a_container_whose_liveness_fails_is_started_again(kubectl: Kubectl) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "/notes/sick"]}, "periodSeconds": 1, "failureThreshold": 1}
    sick_once = "trap 'rm /notes/sick; echo told to end; exit 0' TERM; mkdir /notes/began && touch /notes/sick"
    container = shell(
        f"{sick_once}; while :; do sleep 0.1; done",
        livenessProbe=probe,
        volumeMounts=[{"name": "notes", "mountPath": "/notes"}],
    )

    kubectl.declare(pod("sick", container, restartPolicy="Always", volumes=[{"name": "notes", "emptyDir": {}}]))

    def look() -> bool:
        told = main_container(kubectl, "sick")
        return bool(told["restartCount"] == 1 and told["ready"])

    eventually(look, "the container runs again")
    assert events(kubectl, "sick")["Unhealthy"].startswith("Liveness probe failed: exit status 1")
    assert kubectl("logs", "sick", "--previous") == "told to end\n"
    kubectl("delete", "pod", "sick")


def test_a_pod_waits_for_a_secret_and_starts_when_it_comes(kubectl: Kubectl) -> None:
    env = [{"name": "LATE", "valueFrom": {"secretKeyRef": {"name": "late", "key": "word"}}}]
    kubectl.declare(pod("patient", shell("echo $LATE", env=env)))
    told = waiting(kubectl, "patient", "CreateContainerConfigError")
    assert told["message"] == 'secret "late" not found'

    kubectl("create", "secret", "generic", "late", "--from-literal=word=here")

    phase(kubectl, "patient", "Succeeded")
    assert kubectl("logs", "patient") == "here\n"


def test_a_changed_config_map_reaches_the_running_process(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "changing", "--from-literal=text=old")
    script = "until grep -q new /settings/text; do sleep 0.1; done; cat /settings/text"
    volume = {"name": "settings", "configMap": {"name": "changing"}}
    container = shell(script, volumeMounts=[{"name": "settings", "mountPath": "/settings"}])
    kubectl.declare(pod("reader", container, volumes=[volume]))
    phase(kubectl, "reader", "Running")

    kubectl("patch", "configmap", "changing", "-p", '{"data":{"text":"new"}}')

    phase(kubectl, "reader", "Succeeded")
    assert kubectl("logs", "reader") == "new"


def test_a_pod_that_asks_for_what_cannot_be_done_gets_an_event(kubectl: Kubectl) -> None:
    kubectl.declare(pod("greedy", shell("true"), hostNetwork=True))
    kubectl.declare(pod("nameless", {"name": "main", "image": "registry.example/nothing:1"}))

    assert waiting(kubectl, "greedy", "Unsupported")["message"].startswith("spec.hostNetwork")
    assert "registry.example/nothing:1" in waiting(kubectl, "nameless", "ErrImagePull")["message"]

    assert events(kubectl, "greedy")["Unsupported"].startswith("spec.hostNetwork")
    with pytest.raises(Refusal, match="ErrImagePull"):
        kubectl("logs", "nameless")
    kubectl("delete", "pod", "greedy", "nameless")


def test_a_container_named_as_a_folder_of_its_pod_keeps_its_log(kubectl: Kubectl) -> None:
    mounts = [{"name": "message", "mountPath": "/files"}]
    others = [{**shell(f"echo {name}"), "name": name} for name in ("containers", "message")]
    container = {**shell("echo kept > /files/text; cat /files/text", volumeMounts=mounts), "name": "volumes"}

    kubectl.declare(
        pod("named", container, containers=[container, *others], volumes=[{"name": "message", "emptyDir": {}}])
    )

    phase(kubectl, "named", "Succeeded")
    assert kubectl("logs", "named", "-c", "volumes") == "kept\n"
    assert kubectl("logs", "named", "-c", "containers") == "containers\n"
    assert kubectl("logs", "named", "-c", "message") == "message\n"


def test_a_pod_whose_binding_is_refused_holds_up_no_other(kubectl: Kubectl) -> None:
    forbid_binding(kubectl, "banned")
    kubectl.declare(pod("banned", shell("echo late")))
    eventually(lambda: "FailedScheduling" in events(kubectl, "banned"), "its binding was refused")

    kubectl.declare(pod("welcome", shell("echo soon")))

    phase(kubectl, "welcome", "Succeeded")
    assert "nodeName" not in kubectl.get("pod", "banned")["spec"]
    assert "not this one" in events(kubectl, "banned")["FailedScheduling"]
    kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "--all")
    phase(kubectl, "banned", "Succeeded")


def test_a_pod_without_a_network_gives_its_address_back_and_says_so(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl.declare(pod("offline", shell("true"), nodeName="elsewhere"))
    api, addresses = Api(kubectl.kubeconfig, tmp_path), Narrow()
    settings = Settings(kubectl.kubeconfig, "elsewhere", tmp_path, Images(tmp_path, ()), (), "", run_as_user=False)
    life = PodLife(Node(api, settings, Events(api, "elsewhere"), addresses), parse(kubectl.get("pod", "offline")))

    life.start()

    told = eventually(lambda: events(kubectl, "offline").get("FailedCreatePodSandBox"), "its failure is told")
    assert "nowhere" in str(told)
    assert addresses.free == ["nowhere"]
    life.end(0)
    eventually(life.over.is_set, "nothing is left of it")


def test_a_pod_past_its_deadline_fails_in_its_init_containers_too(kubectl: Kubectl) -> None:
    status = phase(kubectl, "slow", "Failed")

    assert status["reason"] == "DeadlineExceeded"
    assert status["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 143
    assert "waiting" in status["containerStatuses"][0]["state"]


def test_time_in_init_containers_counts_towards_the_deadline(kubectl: Kubectl) -> None:
    ended = phase(kubectl, "slower", "Failed")["containerStatuses"][0]["state"]["terminated"]

    lived = datetime.fromisoformat(ended["finishedAt"]) - datetime.fromisoformat(ended["startedAt"])
    assert lived.total_seconds() < DEADLINE - 1
