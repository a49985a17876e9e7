"""Manifests with the proxy in their pod templates: what the webhook would do to the pods, done beforehand."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cloudsql_iam_operator.api.injection.access import INJECT, WAIT, Wait
from cloudsql_iam_operator.core.injection.facts import Facts, ServiceFact
from cloudsql_iam_operator.core.injection.manifest import service_account_name
from cloudsql_iam_operator.core.injection.outcome import Denied, Injected, Outcome
from cloudsql_iam_operator.core.injection.patch import Add
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.workloads.found import Found, Steps, found

_WAITS = ("", *Wait)


class World(Protocol):
    """What is known beside the manifest."""

    def facts(self, namespace: str, account: str) -> Facts:
        """Facts about a pod of the namespace and the ServiceAccount."""

    def services(self, namespace: str) -> Iterable[ServiceFact]:
        """The Services of the namespace."""


@dataclass(slots=True)
class Rewritten:
    """A document after it: the body, which is the very one that was given when nothing changed; warnings, refusals."""

    body: Any
    warnings: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


def injected(document: Any, namespace: str, world: World, settings: InjectionSettings) -> Rewritten:
    """The document with the proxy in each template that asks for it. `namespace` is that of objects that name none.

    The input is left untouched. To inject the output again changes nothing.

    Raises:
        MalformedPod: it holds something that is no object of its kind.
    """
    done = Rewritten(document)
    for one in found(document):
        facts = world.facts(one.namespace or namespace, service_account_name(one.pod))
        outcome = planned_now(one, facts, settings)
        match outcome:
            case Injected(operations, warnings):
                if done.body is document:
                    done.body = copy.deepcopy(document)
                apply(operations, at(done.body, one.steps))
                done.warnings += (f"{one}: {warning}" for warning in warnings)
            case Denied(_, _, message):
                done.refusals.append(f"{one}: {message}")
            case _:
                done.warnings += (f"{one}: {warning}" for warning in outcome.warnings)
    return done


def planned_now(one: Found, facts: Facts, settings: InjectionSettings) -> Outcome:
    """What the webhook would do to the pod, waiting for nothing: manifests are rendered before anybody runs."""
    return plan(_now(one), facts, settings)


def apply(operations: Iterable[Add], pod: Any) -> None:
    """Carry the operations out on a pod or template, in place.

    Raises:
        MalformedPod: it lacks what is to be added to, which a pod of an API server never does.
    Source: RFC 6902, section 4.1
    """
    for operation in operations:
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in operation.path.split("/")[1:])
        parent = pod
        for step in steps:
            parent = parent[int(step)] if isinstance(parent, list) else parent.get(step)
            if parent is None:
                raise MalformedPod(f"{'.'.join(steps)} is missing")
        value = copy.deepcopy(operation.value)
        if isinstance(parent, list):
            parent.insert(int(last), value)
        else:
            parent[last] = value


def at(document: Any, steps: Steps) -> Any:
    """What is there in the document."""
    for step in steps:
        document = document[step]
    return document


def _now(one: Found) -> Mapping[str, Any]:
    """The pod as if nothing had to be waited for; a wrong wish to wait stays, to be refused."""
    pod = one.pod
    annotations = pod["metadata"].get("annotations")
    if not isinstance(annotations, dict) or INJECT not in annotations or annotations.get(WAIT, "") not in _WAITS:
        return pod
    return {**pod, "metadata": {**pod["metadata"], "annotations": {**annotations, WAIT: "none"}}}
