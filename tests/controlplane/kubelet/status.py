"""The status of a pod from what its containers are at: pure, in the API's own JSON. The one place where it is built."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from controlplane.addresses import GATEWAY
from controlplane.kubelet.api import Json
from controlplane.kubelet.podspec import Container, Pod

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not started, or waiting to be started again; `reason` is Kubernetes' word."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Its process lives since then."""

    since: str


@dataclass(frozen=True, slots=True)
class Terminated:
    """Its process ended; `code` is 128 + signal for a signal."""

    code: int
    reason: str
    message: str
    began: str
    ended: str


State = Waiting | Running | Terminated


@dataclass(frozen=True, slots=True)
class Record:
    """One container at one moment. `started` is what its startup probe says, `ready` its readiness probe."""

    state: State = Waiting("PodInitializing")
    last: Terminated | None = None
    restarts: int = 0
    started: bool = False
    ready: bool = False
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Moment:
    """A pod as a whole at one moment. `verdict` is a reason and message for a pod that failed as a whole."""

    ip: str
    began: str
    now: str
    records: Mapping[str, Record]
    ending: bool = False
    verdict: tuple[str, str] | None = None


def pod_status(pod: Pod, moment: Moment, before: Json) -> Json:
    """The status to send. Conditions of `before`, the last one sent, keep their times when they did not turn."""
    chosen = phase(pod, moment)
    reason, message = moment.verdict or ("", "")
    return {
        "phase": chosen,
        "reason": reason or None,
        "message": message or None,
        "hostIP": GATEWAY,
        "hostIPs": [{"ip": GATEWAY}],
        "podIP": moment.ip or None,
        "podIPs": [{"ip": moment.ip}] if moment.ip else None,
        "startTime": moment.began,
        "conditions": _conditions(pod, moment, chosen, before),
        "initContainerStatuses": [_container_status(one, moment) for one in pod.initial] or None,
        "containerStatuses": [_container_status(one, moment) for one in pod.containers],
    }


def phase(pod: Pod, moment: Moment) -> Phase:
    """The one word for the pod."""
    records = moment.records
    if moment.verdict is not None or any(_failed_for_good(one, records[one.name]) for one in pod.initial):
        return "Failed"
    if not initialized(pod, records):
        return "Pending"
    ends = [state for one in pod.containers if isinstance(state := records[one.name].state, Terminated)]
    codes = [end.code for end in ends if moment.ending or _is_final(pod, end)]
    over = len(codes) == len(pod.containers)
    if over and not any(isinstance(records[one.name].state, Running) for one in pod.sidecars):
        return "Failed" if any(codes) else "Succeeded"
    return "Running" if any(_ever_ran(records[one.name]) for one in pod.containers) else "Pending"


def initialized(pod: Pod, records: Mapping[str, Record]) -> bool:
    """Whether every init container succeeded and every sidecar has started."""
    return all(
        _ever_started(records[one.name]) if one.sidecar else _succeeded(records[one.name]) for one in pod.initial
    )


def _is_final(pod: Pod, end: Terminated) -> bool:
    return pod.restart == "Never" or (pod.restart == "OnFailure" and end.code == 0)


def _ever_started(record: Record) -> bool:
    return record.started or record.last is not None or isinstance(record.state, Terminated)


def _succeeded(record: Record) -> bool:
    return isinstance(record.state, Terminated) and record.state.code == 0


def _failed_for_good(container: Container, record: Record) -> bool:
    return container.restart == "Never" and isinstance(record.state, Terminated) and record.state.code != 0


def _ever_ran(record: Record) -> bool:
    return record.last is not None or not isinstance(record.state, Waiting)


def _conditions(pod: Pod, moment: Moment, chosen: Phase, before: Json) -> list[Json]:
    records = moment.records
    waited = [*pod.containers, *pod.sidecars]
    unready = [one.name for one in waited if not records[one.name].ready]
    over = "PodCompleted" if chosen == "Succeeded" else "PodFailed" if chosen == "Failed" else ""
    lacking = (over, "") if over else ("ContainersNotReady", f"containers with unready status: {unready}")
    all_ready = not unready and not over and initialized(pod, records)
    gates = _gates_met(pod, before)
    states: list[tuple[str, bool, tuple[str, str]]] = [
        ("PodReadyToStartContainers", bool(moment.ip) and not over, ("", "")),
        ("Initialized", initialized(pod, records), ("ContainersNotInitialized", "")),
        ("ContainersReady", all_ready, lacking),
        ("Ready", all_ready and gates, lacking if not all_ready else ("ReadinessGatesNotReady", "")),
        ("PodScheduled", True, ("", "")),
    ]
    old = {one["type"]: one for one in before.get("conditions", ())}
    own = [_condition(*state, old, moment.now) for state in states]
    return own + [one for kind, one in old.items() if kind not in {o["type"] for o in own}]


def _gates_met(pod: Pod, before: Json) -> bool:
    held = {one["type"] for one in before.get("conditions", ()) if one["status"] == "True"}
    return all(gate["conditionType"] in held for gate in pod.spec.get("readinessGates", ()))


def _condition(kind: str, holds: bool, why_not: tuple[str, str], old: Mapping[str, Json], now: str) -> Json:
    condition = {"type": kind, "status": "True" if holds else "False"}
    if not holds and why_not[0]:
        condition |= {"reason": why_not[0], "message": why_not[1]}
    same = old.get(kind, {}).get("status") == condition["status"]
    return {**condition, "lastTransitionTime": old[kind]["lastTransitionTime"] if same else now}


def _container_status(container: Container, moment: Moment) -> Json:
    record = moment.records[container.name]
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"process://{container.image}",
        "containerID": f"process://{record.instance}" if record.instance else "",
        "state": _state(record.state, record.instance),
        "lastState": _state(record.last, "") if record.last else {},
        "restartCount": record.restarts,
        "started": record.started,
        "ready": _counts_as_ready(container, record),
    }


def _counts_as_ready(container: Container, record: Record) -> bool:
    return record.ready or (not container.sidecar and container.restart != "Always" and _succeeded(record))


def _state(state: State, instance: str) -> Json:
    match state:
        case Waiting(reason, message):
            return {"waiting": _without_empty({"reason": reason, "message": message})}
        case Running(since):
            return {"running": {"startedAt": since}}
        case Terminated(code, reason, message, began, ended):
            told = {"reason": reason, "message": message, "containerID": f"process://{instance}" if instance else ""}
            return {"terminated": {"exitCode": code, "startedAt": began, "finishedAt": ended, **_without_empty(told)}}


def _without_empty(told: Mapping[str, str]) -> Json:
    return {key: value for key, value in told.items() if value}


def names(containers: Iterable[Container]) -> dict[str, Record]:
    """A first record for each."""
    return {one.name: Record() for one in containers}
