"""What the pods of a workload will meet, told where a person reads it; and annotations that nothing would read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.annotations import PREFIX
from cloudsql_iam_operator.core.injection.facts import Facts
from cloudsql_iam_operator.core.injection.manifest import service_account_name
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.workloads.hooks import waits_for_its_chart

TEMPLATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("batch", "Job"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
}
"""Where the pod template of each kind of workload is, by API group and kind."""

_MAKERS = {"Deployment": "ReplicaSet", "CronJob": "Job"}
"""Kinds whose pods are made by another kind."""

_ABSENT = (Code.USER, Code.INSTANCE, Code.WAIT)
"""Refusals that an object which is not there, or not ready, is the cause of."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that makes pods: its API group and kind, one of TEMPLATES, and the object as JSON."""

    group: str
    kind: str
    body: Mapping[str, Any]

    @property
    def steps(self) -> tuple[str, ...]:
        """Where its pod template is."""
        return TEMPLATES[self.group, self.kind]

    @property
    def annotations(self) -> Mapping[str, Any]:
        """Those of the workload itself, not of its pods."""
        return annotations_of(self.body)


def annotations_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Annotations of any object.

    Raises:
        MalformedPod: the object is none.
    """
    return _object(_object(body.get("metadata")).get("annotations"))


def account_of(workload: Workload) -> str:
    """Name of the ServiceAccount that the pods will run as.

    Raises:
        MalformedPod: the object is no such workload.
    """
    return service_account_name(template_of(workload))


def reviewed(workload: Workload, facts: Facts, settings: InjectionSettings) -> Outcome:
    """What to tell the author of a workload; it is never patched.

    Refused is what only an edit helps. What may still appear, in this very apply, is a warning: the pods wait for it.

    Raises:
        MalformedPod: the object is no such workload.
    """
    misplaced = tuple(misplacements(workload))
    outcome = plan(pod_of(workload), facts, settings)
    match outcome:
        case Injected(_, warnings):
            return Unchanged(Code.TEMPLATE, (*misplaced, *warnings))
        case Unchanged(code, warnings):
            return Unchanged(code, (*misplaced, *warnings))
        case Denied() if outcome.status == 422 or _lasts(outcome, facts):
            return outcome
        case Denied():
            return Unchanged(Code.TEMPLATE, (*misplaced, *_waiting(workload, outcome)))


def template_of(workload: Workload) -> Mapping[str, Any]:
    """The pod template.

    Raises:
        MalformedPod: the object is no such workload.
    """
    return _at(workload.body, workload.steps)


def pod_of(workload: Workload) -> dict[str, Any]:
    """A pod as the workload's controller would make it."""
    template = template_of(workload)
    name = _object(workload.body.get("metadata")).get("name") or ""
    if not isinstance(name, str):
        raise MalformedPod("metadata.name is no text")
    metadata = {**_object(template.get("metadata")), "generateName": f"{name}-"}
    metadata.pop("name", None)
    maker = _MAKERS.get(workload.kind, workload.kind)
    metadata["ownerReferences"] = [{"kind": maker, "name": name, "controller": True}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": _object(template.get("spec"))}


def misplacements(workload: Workload) -> Iterator[str]:
    """Annotations of ours that are beside the pod template, and labels that were meant as such."""
    right = ".".join((*workload.steps, "metadata", "annotations"))
    for depth in range(len(workload.steps) + 1):
        steps = workload.steps[:depth]
        metadata = _object(_at(workload.body, steps).get("metadata"))
        where = ".".join((*steps, "metadata"))
        annotations, labels = _ours(metadata.get("annotations")), _ours(metadata.get("labels"))
        if annotations and depth < len(workload.steps):
            yield (
                f"{annotations} in {where}.annotations of the {workload.kind} is read by nobody and injects nothing: "
                f"move it to {right}"
            )
        if labels:
            yield (
                f"{labels} in {where}.labels of the {workload.kind} is a label, and labels are not read: "
                f"write it as an annotation, in {right}"
            )


def _waiting(workload: Workload, denied: Denied) -> Iterator[str]:
    hook = waits_for_its_chart(workload.annotations) if denied.code in _ABSENT else ""
    if hook:
        yield hook
    deadline = _at(workload.body, workload.steps[:-1]).get("activeDeadlineSeconds")
    if isinstance(deadline, int):
        yield f"its activeDeadlineSeconds of {deadline} runs while its pods wait: leave room for that"
    # without the name of the pod that was made up for the plan
    yield f"its pods are refused, and tried again, until this is settled: {denied.message.partition(': ')[2]}"


def _lasts(denied: Denied, facts: Facts) -> bool:
    """Whether a refusal for how the world stands is one that nothing which may still appear will lift."""
    account = facts.service_account
    bound = account is not None and bool(account.google_account)
    return denied.code is Code.LOGIN or (denied.code is Code.IDENTITY and bound)


def _ours(named: Any) -> str:
    return ", ".join(sorted(name for name in _object(named) if name.startswith(PREFIX)))


def _at(body: Mapping[str, Any], steps: tuple[str, ...]) -> Mapping[str, Any]:
    found = body
    for step in steps:
        found = _object(found.get(step))
    return found


def _object(value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedPod(f"an object was expected, not {type(value).__name__}")
    return value
