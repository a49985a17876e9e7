import copy
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Denied, Injected
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.webhook.remembered import Remembered
from support.podshapes import CHECKOUT, FACTS, SETTINGS, container, pod, users


def replica(token: str, **metadata: Any) -> dict[str, Any]:
    """A pod as the API server hands it to a webhook: with its ServiceAccount's token."""
    mount = {"name": f"kube-api-access-{token}", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    volume = {"name": f"kube-api-access-{token}", "projected": {"sources": []}}
    made = pod(container(volumeMounts=[mount]), volumes=[volume])
    made["metadata"] |= {"name": None, "generateName": "web-7f9-", "managedFields": [{"time": token}]} | metadata
    return made


def test_replicas_of_one_template_are_planned_once() -> None:
    remembered = Remembered(SETTINGS)

    first = remembered.plan(replica("abcde"), FACTS)
    second = remembered.plan(replica("fgh12", uid="u-2"), FACTS)

    assert isinstance(first, Injected)
    assert second is first
    assert second == plan(replica("fgh12"), FACTS, SETTINGS)


def test_other_facts_are_another_plan() -> None:
    remembered = Remembered(SETTINGS)
    remembered.plan(replica("abcde"), FACTS)
    others = users(replace(CHECKOUT, databases=("billing",)))

    assert remembered.plan(replica("abcde"), others) == plan(replica("abcde"), others, SETTINGS)
    assert isinstance(remembered.plan(replica("abcde"), users()), Denied)


CHANGES = {
    "an annotation": lambda body: body["metadata"]["annotations"].update({"iam.cloudsql.dev/port": "5444"}),
    "a name in an annotation like the token's": lambda body: body["metadata"]["annotations"].update(
        {"iam.cloudsql.dev/database": "kube-api-access-zzzzz"}
    ),
    "an owner": lambda body: body["metadata"].update(ownerReferences=[{"kind": "Job", "name": "x"}]),
    "a port": lambda body: body["spec"]["containers"][0].update(ports=[{"containerPort": 5432}]),
    "a variable": lambda body: body["spec"]["containers"][0].update(env=[{"name": "PGHOST", "value": "10.0.0.1"}]),
    "a container": lambda body: body["spec"]["containers"].append(container("other")),
    "the account": lambda body: body["spec"].update(serviceAccountName="other"),
    "a volume": lambda body: body["spec"]["volumes"].append({"name": "kube-api-access-zzzzz", "emptyDir": {}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_pod_is_another_plan(change: Any) -> None:
    remembered, other = Remembered(SETTINGS), copy.deepcopy(replica("abcde"))
    remembered.plan(replica("abcde"), FACTS)
    change(other)

    assert remembered.plan(other, FACTS) == plan(other, FACTS, SETTINGS)


def test_no_more_is_kept_than_its_bound() -> None:
    remembered = Remembered(SETTINGS)
    for number in range(1500):
        remembered.plan(pod(container(env=[{"name": "V", "value": f"{number}" + "x" * 8000}])), FACTS)

    assert remembered.held <= 4 * 1024 * 1024
    assert isinstance(remembered.plan(pod(container(env=[{"name": "V", "value": "x" * 100_000}])), FACTS), Injected)
