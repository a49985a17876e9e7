"""Pods, facts and a JSON Patch applier for tests of injection. Only what a test names differs from the ordinary."""

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.api.user import KubernetesServiceAccount
from cloudsql_iam_operator.core.injection.facts import Facts, InstanceFact, Login, ServiceAccountFact, UserFact
from cloudsql_iam_operator.core.injection.outcome import Denied, Injected, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.patch import Add
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.settings import InjectionSettings

JSON = dict[str, Any]

IMAGE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0"
SETTINGS = InjectionSettings(image=IMAGE)
DOMAIN = "iam.cloudsql.dev"
ACCOUNT = ServiceAccountFact("checkout", "checkout@acme-prod.iam.gserviceaccount.com")
ORDERS = InstanceFact("orders-prod", "acme-prod:europe-west1:orders", IPType.PRIVATE)
CHECKOUT = UserFact(
    name="checkout",
    generation=3,
    principal=KubernetesServiceAccount("checkout"),
    deleting=False,
    member="serviceAccount:checkout@acme-prod.iam.gserviceaccount.com",
    username="checkout@acme-prod.iam",
    login=Login.WORKS,
    problem="",
    instance_name="orders-prod",
    instance=ORDERS,
    databases=("orders",),
)
FACTS = Facts("orders", ACCOUNT, (CHECKOUT,))
PG = {
    "PGHOST": "127.0.0.1",
    "PGPORT": "5432",
    "PGUSER": "checkout@acme-prod.iam",
    "PGDATABASE": "orders",
}


OURS = tuple(
    re.compile(pattern)
    for pattern in (
        r"/spec/(initContainers|containers)/\d+/(env|volumeMounts)(/\d+)?",
        r"/spec/(initContainers|containers|volumes|imagePullSecrets)(/\d+)?",
        r"/metadata/annotations/(iam\.cloudsql\.dev~1status|kubectl\.kubernetes\.io~1default-container)",
    )
)
"""Where injection may write."""


def container(name: str = "web", **fields: Any) -> JSON:
    """A container as a manifest writes it."""
    return {"name": name, "image": "acme/shop:1", **fields}


def pod(*containers: JSON, annotations: Mapping[str, str] | None = None, **spec: Any) -> JSON:
    """A pod that asks for a proxy; `annotations` are names without our domain, added to `inject`."""
    ours = {f"{DOMAIN}/{name}": value for name, value in ({"inject": "checkout"} | dict(annotations or {})).items()}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web-1", "annotations": ours},
        "spec": {"serviceAccountName": "checkout", "containers": list(containers) or [container()], **spec},
    }


def users(*found: UserFact, account: ServiceAccountFact | None = ACCOUNT) -> Facts:
    """Facts with these users."""
    return replace(FACTS, users=found, service_account=account)


def planned(body: JSON, facts: Facts = FACTS, settings: InjectionSettings = SETTINGS) -> Outcome:
    """The plan for a pod, checked for what holds of every plan.

    It leaves the input and all that is not ours alone, it is the same the second time, and the patched pod needs
    nothing more.
    """
    before = copy.deepcopy(body)
    outcome = plan(body, facts, settings)
    assert body == before
    assert plan(body, facts, settings) == outcome
    if isinstance(outcome, Injected):
        after = applied(outcome.operations, body)
        back = undone(outcome.operations, after, body)
        assert json.dumps(back, sort_keys=True) == json.dumps(body, sort_keys=True)
        assert isinstance(plan(after, facts, settings), Unchanged)
    return outcome


def injected(body: JSON, facts: Facts = FACTS, settings: InjectionSettings = SETTINGS) -> JSON:
    """The pod after injection."""
    outcome = planned(body, facts, settings)
    assert isinstance(outcome, Injected), outcome
    return applied(outcome.operations, body)


def warnings(body: JSON, facts: Facts = FACTS, settings: InjectionSettings = SETTINGS) -> tuple[str, ...]:
    """What is said about an admitted pod."""
    outcome = planned(body, facts, settings)
    assert not isinstance(outcome, Denied), outcome
    return outcome.warnings


def denied(body: JSON, facts: Facts = FACTS, settings: InjectionSettings = SETTINGS) -> str:
    """Status and text of a denial, without the words that every denial begins with."""
    outcome = planned(body, facts, settings)
    assert isinstance(outcome, Denied), outcome
    return f"{outcome.status} {outcome.message.removeprefix('cannot inject a proxy into pod orders/web-1: ')}"


SECRET = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}


def own(**values: str | None) -> list[dict[str, Any]]:
    """Variables as a container has them; None for one whose value is in a Secret."""
    return [{"name": n, "value": v} if v is not None else {"name": n, **SECRET} for n, v in values.items()]


def environment(body: JSON, name: str = "web") -> dict[str, str]:
    """The variables of a container that have literal values."""
    found = [c for c in (*(body["spec"].get("initContainers") or ()), *body["spec"]["containers"]) if c["name"] == name]
    return {e["name"]: e["value"] for e in found[0].get("env") or () if "value" in e}


def proxy(body: JSON) -> JSON:
    """The injected container."""
    spec = body["spec"]
    (found,) = (c for c in (*spec.get("initContainers", ()), *spec["containers"]) if c["name"] == "cloudsql-proxy")
    assert isinstance(found, dict)
    return found


def applied(operations: Sequence[Add], body: JSON) -> JSON:
    """The document after the operations, by RFC 6902: the parent of a path must exist."""
    document = copy.deepcopy(body)
    for operation in operations:
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in operation.path.split("/")[1:])
        parent: Any = document
        for step in steps:
            parent = parent[int(step)] if isinstance(parent, list) else parent[step]
        value = copy.deepcopy(operation.value)
        if isinstance(parent, list):
            assert 0 <= int(last) <= len(parent), operation.path
            parent.insert(int(last), value)
        else:
            parent[last] = value
    return document


def undone(operations: Sequence[Add], after: JSON, before: JSON) -> JSON:
    """The patched pod with every operation taken back, last first; each is one that injection may do."""
    document = copy.deepcopy(after)
    for operation in reversed(operations):
        assert any(pattern.fullmatch(operation.path) for pattern in OURS), operation.path
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in operation.path.split("/")[1:])
        parent, original = _at(document, steps), _at(before, steps)
        assert parent[int(last) if isinstance(parent, list) else last] == operation.value, operation.path
        if isinstance(parent, list):
            parent.pop(int(last))
        elif original is not None and last in original:
            assert original[last] in (None, []) or last == f"{DOMAIN}/status", operation.path
            parent[last] = original[last]
        else:
            del parent[last]
    return document


def _at(document: Any, steps: Sequence[str]) -> Any:
    """What the steps lead to; None when they lead nowhere."""
    for step in steps:
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (IndexError, KeyError, TypeError):
            return None
    return document
