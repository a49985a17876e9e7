"""The status that the process kubelet reports, and how it counts probes."""

from typing import Any

import pytest

from controlplane.kubelet.podspec import Handler, Pod, Probe, parse, unsupported
from controlplane.kubelet.probes import Count
from controlplane.kubelet.status import Moment, Record, Running, State, Terminated, Waiting, pod_status

BEGAN, LATER = "2026-11-01T08:00:00Z", "2026-11-01T08:00:09Z"
UP = Record(Running(BEGAN), started=True, ready=True)
STARTING = Record(Running(BEGAN))
IDLE = Record()
DONE = Record(Terminated(0, "Completed", "", BEGAN, LATER))
BROKEN = Record(Terminated(7, "Error", "no", BEGAN, LATER))


def pod(restart: str = "Always", initial: tuple[str, ...] = (), sidecars: tuple[str, ...] = (), **spec: object) -> Pod:
    first: list[dict[str, Any]] = [{"name": name, "image": "i"} for name in initial]
    first += [{"name": name, "image": "i", "restartPolicy": "Always"} for name in sidecars]
    fields = {"restartPolicy": restart, "initContainers": first, "containers": [{"name": "main", "image": "i"}], **spec}
    return parse({"metadata": {"namespace": "orders", "name": "shop", "uid": "u"}, "spec": fields})


def status(of: Pod, before: dict[str, Any] | None = None, ending: bool = False, **records: Record) -> dict[str, Any]:
    return dict(pod_status(of, Moment("198.18.0.7", BEGAN, LATER, records, ending), before or {}))


def condition(told: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in told["conditions"] if one["type"] == kind)
    return found


@pytest.mark.parametrize(
    ("restart", "main", "phase"),
    [
        ("Always", IDLE, "Pending"),
        ("Always", STARTING, "Running"),
        ("Always", UP, "Running"),
        ("Always", BROKEN, "Running"),
        ("Always", Record(Waiting("CrashLoopBackOff"), Terminated(1, "Error", "", BEGAN, LATER)), "Running"),
        ("Never", DONE, "Succeeded"),
        ("Never", BROKEN, "Failed"),
        ("OnFailure", DONE, "Succeeded"),
        ("OnFailure", BROKEN, "Running"),
    ],
)
def test_the_phase_follows_the_containers(restart: str, main: Record, phase: str) -> None:
    assert status(pod(restart), main=main)["phase"] == phase


def test_a_pod_is_pending_until_its_init_containers_succeeded() -> None:
    told = status(pod(initial=("first",)), first=STARTING, main=IDLE)

    assert told["phase"] == "Pending"
    assert condition(told, "Initialized")["status"] == "False"


def test_a_failed_init_container_fails_a_pod_that_never_restarts() -> None:
    assert status(pod("Never", initial=("first",)), first=BROKEN, main=IDLE)["phase"] == "Failed"


def test_a_finished_pod_runs_until_its_sidecars_have_ended() -> None:
    of = pod("Never", sidecars=("proxy",))

    assert status(of, proxy=UP, main=DONE)["phase"] == "Running"
    assert status(of, proxy=BROKEN, main=DONE)["phase"] == "Succeeded"


def test_a_sidecar_that_is_not_ready_keeps_the_pod_from_being_ready() -> None:
    unready = Record(Running(BEGAN), started=True)

    told = status(pod(sidecars=("proxy",)), proxy=unready, main=UP)

    assert condition(told, "Ready")["status"] == "False"
    assert condition(told, "Ready")["message"] == "containers with unready status: ['proxy']"


def test_a_ready_pod_waits_for_its_readiness_gates() -> None:
    gated = pod(readinessGates=[{"conditionType": "example.com/open"}])
    opened = {"conditions": [{"type": "example.com/open", "status": "True", "lastTransitionTime": BEGAN}]}

    assert condition(status(gated, main=UP), "Ready")["reason"] == "ReadinessGatesNotReady"
    assert condition(status(gated, opened, main=UP), "Ready")["status"] == "True"
    assert condition(status(gated, opened, main=UP), "example.com/open")["status"] == "True"


def test_a_condition_keeps_its_time_until_it_turns() -> None:
    before = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": BEGAN}]}

    assert condition(status(pod(), before, main=UP), "Ready")["lastTransitionTime"] == BEGAN
    assert condition(status(pod(), before, main=STARTING), "Ready")["lastTransitionTime"] == LATER


def test_a_pod_that_is_told_to_end_is_over_when_its_containers_are() -> None:
    assert status(pod(), ending=True, main=DONE)["phase"] == "Succeeded"
    assert status(pod("OnFailure"), ending=True, main=BROKEN)["phase"] == "Failed"


def test_a_pod_past_its_deadline_has_failed() -> None:
    moment = Moment("198.18.0.7", BEGAN, LATER, {"main": BROKEN}, verdict=("DeadlineExceeded", "too long"))

    told = pod_status(pod(), moment, {})

    assert (told["phase"], told["reason"], told["message"]) == ("Failed", "DeadlineExceeded", "too long")


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (Waiting("ErrImagePull", "no such"), {"waiting": {"reason": "ErrImagePull", "message": "no such"}}),
        (Running(BEGAN), {"running": {"startedAt": BEGAN}}),
        (
            Terminated(7, "Error", "", BEGAN, LATER),
            {"terminated": {"exitCode": 7, "startedAt": BEGAN, "finishedAt": LATER, "reason": "Error"}},
        ),
    ],
)
def test_a_state_is_written_as_the_api_has_it(state: State, told: dict[str, Any]) -> None:
    assert status(pod(), main=Record(state))["containerStatuses"][0]["state"] == told


@pytest.mark.parametrize(
    ("tries", "verdict"),
    [
        ([], None),
        ([False, False], None),
        ([False, False, False], False),
        ([True], None),
        ([True, True], True),
        ([True, True, False, False], True),
        ([True, True, False, False, False], False),
        ([False, False, False, True], False),
        ([False, True, False, True], None),
    ],
)
def test_a_probe_turns_only_at_its_thresholds(tries: list[bool], verdict: bool | None) -> None:
    probe = Probe(Handler("exec", {}), delay=0, period=1, timeout=1, successes=2, failures=3)
    count = Count()

    for passed in tries:
        count = count.after(passed, probe)

    assert count.verdict is verdict


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ({"hostNetwork": True}, "spec.hostNetwork: pods have a network and processes of their own here"),
        (
            {"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]},
            "spec.volumes[disk].hostPath: only projected, emptyDir, configMap, secret, downwardAPI are mounted here",
        ),
        (
            {"containers": [{"name": "main", "image": "i", "securityContext": {"privileged": True}}]},
            "container main: securityContext.privileged",
        ),
        (
            {"containers": [{"name": "main", "image": "i", "livenessProbe": {"grpc": {"port": 1}}}]},
            "container main: grpc probes",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(spec: dict[str, Any], sentence: str) -> None:
    assert list(unsupported(pod(**spec))) == [sentence]


def test_a_plain_pod_asks_for_nothing_unsupported() -> None:
    assert list(unsupported(pod(volumes=[{"name": "scratch", "emptyDir": {}}, {"name": "bare"}]))) == []
