import copy
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.manifest import parsed
from cloudsql_iam_operator.core.injection.outcome import Denied, Injected
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.shelf import Shelf
from support.podshapes import CHECKOUT, FACTS, SETTINGS, container, pod, users


def replica(token: str, **metadata: Any) -> dict[str, Any]:
    """A pod as the API server hands it to a webhook: with its ServiceAccount's token."""
    mount = {"name": f"kube-api-access-{token}", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
    volume = {"name": f"kube-api-access-{token}", "projected": {"sources": []}}
    made = pod(container(volumeMounts=[mount]), container("worker", volumeMounts=[mount]), volumes=[volume])
    made["metadata"] |= {"name": None, "generateName": "web-7f9-", "managedFields": [{"time": token}]} | metadata
    return made


def test_replicas_of_one_template_are_planned_until_the_second() -> None:
    shelf = Shelf()

    plan(replica("abcde"), FACTS, SETTINGS, shelf)
    second = plan(replica("fgh12", uid="u-2"), FACTS, SETTINGS, shelf)
    third = plan(replica("ijk34", uid="u-3"), FACTS, SETTINGS, shelf)

    assert isinstance(second, Injected)
    assert third is second
    assert third == plan(replica("ijk34"), FACTS, SETTINGS)


def test_a_container_that_was_there_before_is_the_same_one() -> None:
    shelf, other = Shelf(), replica("fgh12")
    other["spec"]["containers"][0]["env"] = [{"name": "BUILD", "value": "2"}]

    parsed(replica("abcde"), shelf)
    one, two = parsed(replica("ijk34"), shelf), parsed(other, shelf)

    assert two.main[1] is one.main[1]
    assert two.main[0] is not one.main[0]
    assert two.frame is one.frame


def knowing() -> Shelf:
    """A shelf that has the parts of a replica, and its plan."""
    shelf = Shelf()
    for _ in range(2):
        plan(replica("abcde"), FACTS, SETTINGS, shelf)
    return shelf


def test_other_facts_are_another_plan() -> None:
    shelf = knowing()
    others = users(replace(CHECKOUT, databases=("billing",)))

    assert plan(replica("abcde"), others, SETTINGS, shelf) == plan(replica("abcde"), others, SETTINGS)
    assert isinstance(plan(replica("abcde"), users(), SETTINGS, shelf), Denied)


def test_an_equal_pod_of_another_namespace_is_another_plan() -> None:
    shelf, elsewhere = knowing(), replace(FACTS, namespace="billing", users=())

    outcome = plan(replica("abcde"), elsewhere, SETTINGS, shelf)

    assert isinstance(outcome, Denied)
    assert "billing/web-7f9-*" in outcome.message
    assert isinstance(plan(replica("abcde"), FACTS, SETTINGS, shelf), Injected)


CHANGES = {
    "an annotation": lambda body: body["metadata"]["annotations"].update({"iam.cloudsql.dev/port": "5444"}),
    "a name in an annotation like the token's": lambda body: body["metadata"]["annotations"].update(
        {"iam.cloudsql.dev/database": "kube-api-access-zzzzz"}
    ),
    "an owner": lambda body: body["metadata"].update(ownerReferences=[{"kind": "Job", "name": "x"}]),
    "a port": lambda body: body["spec"]["containers"][0].update(ports=[{"containerPort": 5432}]),
    "a port of a later container": lambda body: body["spec"]["containers"][1].update(ports=[{"containerPort": 5432}]),
    "a probe": lambda body: body["spec"]["containers"][1].update(livenessProbe={"tcpSocket": {"port": 9801}}),
    "a variable": lambda body: body["spec"]["containers"][0].update(env=[{"name": "PGHOST", "value": "10.0.0.1"}]),
    "a way out": lambda body: body["spec"]["containers"][1].update(env=[{"name": "HTTPS_PROXY", "value": "http://p"}]),
    "a command": lambda body: body["spec"]["containers"][1].update(args=["cloud-sql-proxy", "a:b:c"]),
    "a container": lambda body: body["spec"]["containers"].append(container("other")),
    "a container named like the token": lambda body: body["spec"]["containers"][0].update(
        name="kube-api-access-zzzzz", env=[{"name": "PGHOST", "value": "10.0.0.1"}]
    ),
    "containers in another order": lambda body: body["spec"]["containers"].reverse(),
    "an init container": lambda body: body["spec"].update(initContainers=[container("web")]),
    "an older debugger": lambda body: body["spec"].update(ephemeralContainers=[container("cloudsql-proxy")]),
    "Windows in a container": lambda body: body["spec"]["containers"][1].update(
        securityContext={"windowsOptions": {"runAsUserName": "x"}}
    ),
    "a mount": lambda body: body["spec"]["containers"][0]["volumeMounts"][0].update(mountPath="/elsewhere"),
    "what it sets aside": lambda body: body["spec"].update(resources={"requests": {"cpu": "10m"}}),
    "the time it has to end": lambda body: body["spec"].update(terminationGracePeriodSeconds=5),
    "the account": lambda body: body["spec"].update(serviceAccountName="other"),
    "a volume": lambda body: body["spec"]["volumes"].append({"name": "kube-api-access-zzzzz", "emptyDir": {}}),
    "a volume of ours": lambda body: body["spec"]["volumes"].append({"name": "cloudsql-proxy-sockets", "emptyDir": {}}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_another_pod_is_another_plan(change: Any) -> None:
    shelf, other = knowing(), copy.deepcopy(replica("abcde"))
    change(other)

    assert plan(other, FACTS, SETTINGS, shelf) == plan(other, FACTS, SETTINGS)
    assert plan(replica("abcde"), FACTS, SETTINGS, shelf) == plan(replica("abcde"), FACTS, SETTINGS)


def numbered(number: int, size: int) -> dict[str, Any]:
    return pod(container(env=[{"name": "V", "value": f"{number}" + "x" * size}]))


def test_no_more_is_kept_than_its_bound() -> None:
    shelf = Shelf()
    for number in range(600):
        for _ in range(2):
            plan(numbered(number, 8000), FACTS, SETTINGS, shelf)

    assert 1024 * 1024 < shelf.held <= 2 * 1024 * 1024


def test_pods_that_are_all_different_push_nothing_out() -> None:
    shelf = knowing()
    held, known = shelf.held, plan(replica("abcde"), FACTS, SETTINGS, shelf)

    for number in range(1500):
        plan(numbered(number, 1), FACTS, SETTINGS, shelf)

    assert plan(replica("fgh12"), FACTS, SETTINGS, shelf) is known
    assert shelf.held < held + 1024


def test_a_part_beyond_all_measure_is_not_kept() -> None:
    shelf = Shelf()

    for _ in range(2):
        outcome = plan(numbered(1, 100_000), FACTS, SETTINGS, shelf)

    assert isinstance(outcome, Injected)
    assert shelf.held < 1024


@pytest.mark.parametrize(
    "body",
    [
        pod(*[container(f"c{n}") for n in range(20)]),
        pod(annotations={"instances": ",".join(f"a:b:c{n}" for n in range(8))}),
    ],
    ids=["containers", "instances"],
)
def test_what_follows_from_few_words_in_plenty_is_not_kept(body: dict[str, Any]) -> None:
    shelf = Shelf()

    for _ in range(3):
        assert isinstance(plan(body, FACTS, SETTINGS, shelf), Injected)

    again = parsed(body, shelf)
    assert shelf.held > 0
    assert again.frame.known == {}
    assert not any(each.known for each in again.main)


def test_a_pod_that_came_once_leaves_nothing_to_be_collected() -> None:
    shelf = knowing()

    with collecting() as collected:
        outcome = plan(numbered(7, 1), FACTS, SETTINGS, shelf)

    assert isinstance(outcome, Injected)
    assert [one for one in collected if is_ours(one)] == []


@contextmanager
def collecting() -> Iterator[list[object]]:
    """All that was to be collected by the end of the block, whoever in this process left it."""
    collected: list[object] = []
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield collected
        gc.collect()
        collected += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()


def is_ours(one: object) -> bool:
    """Whether a function or an object is the planner's; what refers to itself holds one or the other."""
    return any(str(getattr(each, "__module__", "")).startswith("cloudsql_iam_operator") for each in (one, type(one)))


def test_what_is_to_be_collected_is_seen() -> None:
    ring: list[object] = [Shelf()]

    with collecting() as collected:
        ring.append(ring)
        del ring

    assert [type(one) for one in collected if is_ours(one)] == [Shelf]
