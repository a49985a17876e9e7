"""What is remembered of objects: how much it is, and who names what."""

import asyncio
import json
import tracemalloc
from typing import Any

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import FINALIZER, GRANT, USER
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.handlers.informer import NoMemories
from cloudsql_iam_operator.services.runtime.claims import claims_on, recorded_on
from cloudsql_iam_operator.services.runtime.objects import key_of
from cloudsql_iam_operator.services.runtime.references import user_place
from cloudsql_iam_operator.services.runtime.registry import Registry

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
CONNECTION = str(ORDERS)
OBJECTS = 2000
MOST = 4096
"""Bytes of an object: a user or a grant as in most fleets, the names it is found by, and what passes read of it."""


def shown(kind: str, number: int, spec: dict[str, Any], status: dict[str, Any]) -> str:
    metadata = {
        "name": f"o-{number:05d}",
        "namespace": "team",
        "uid": f"6b6b7f0e-0000-4000-8000-{number:012d}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": [FINALIZER],
        "generation": 1,
        "resourceVersion": str(number + 1),
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}] * 5,
    }
    layers = ("Ready", "AccessAllowed", "PrincipalResolved", "IAMBound", "UserReady")
    conditions = [
        {
            "type": layer,
            "status": "True",
            "reason": "Succeeded",
            "message": f"{layer} of {metadata['name']}",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for layer in layers
    ]
    told = {"observedGeneration": 1, "instance": CONNECTION, "instanceName": "orders", **status}
    whole = {"instanceRef": {"name": "orders"}, **spec}
    return json.dumps({"kind": kind, "metadata": metadata, "spec": whole, "status": {**told, "conditions": conditions}})


def user(number: int) -> str:
    email = f"u-{number:05d}@acme-prod.iam.gserviceaccount.com"
    roles = ("roles/cloudsql.client", "roles/cloudsql.instanceUser")
    bindings = [{"role": role, "condition": "cloudsql-iam-operator/orders", "added": True} for role in roles]
    status = {
        "member": f"serviceAccount:{email}",
        "username": f"u-{number:05d}@acme-prod.iam",
        "userType": "CLOUD_IAM_SERVICE_ACCOUNT",
        "iam": {"bindings": bindings},
        "created": True,
    }
    return shown(USER.name, number, {"principal": {"serviceAccount": email}}, status)


def grant(number: int) -> str:
    role = f"u-{number:05d}@acme-prod.iam"
    entries = [{"kind": "Table", "schema": "app", "names": ["*"], "privileges": ["SELECT"]}]
    spec = {"database": "orders", "grantees": [{"userRef": {"name": f"o-{number:05d}"}}], "grants": entries}
    places = [{"schemas": ["app"], "grants": [{"kind": "Table", "privileges": ["SELECT"], "names": ["*"]}]}]
    status = {
        "database": "orders",
        "holders": [{"role": role, "user": f"o-{number:05d}"}],
        "applied": [{"roles": [role], "places": places}],
        "observed": dict.fromkeys(("desired", "held", "missing", "excess", "foreign", "unreachable"), 0),
    }
    return shown(GRANT.name, number, spec, status)


def put(registry: Registry, text: str) -> None:
    body = json.loads(text)
    registry.put(key_of(body), body)


def test_thousands_of_objects_take_four_kibibytes_each_at_most() -> None:
    texts = [kind(number) for number in range(OBJECTS // 2) for kind in (user, grant)]
    registry = Registry()

    tracemalloc.start()
    for text in texts:
        put(registry, text)
    claims_on(registry, ORDERS)
    recorded_on(registry, ORDERS)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(registry.of_kind(USER.name)) + len(registry.of_kind(GRANT.name)) == OBJECTS
    assert taken / OBJECTS < MOST


def test_what_one_object_names_is_found_as_what_many_do() -> None:
    registry = Registry()
    for number in (1, 2):
        put(registry, user(number))
    twin = json.loads(user(1))
    twin["metadata"] |= {"name": "twin", "uid": "other", "resourceVersion": "9"}
    place = user_place(CONNECTION, "u-00001@acme-prod.iam")

    alone = [live.key.name for live in registry.recorded_at(USER.name, place)]
    registry.put(key_of(twin), twin)
    both = {live.key.name for live in registry.recorded_at(USER.name, place)}
    registry.end(key_of(twin), "other")
    again = [live.key.name for live in registry.recorded_at(USER.name, place)]
    registry.end(*next((live.key, live.uid) for live in registry.recorded_at(USER.name, place)))

    assert (alone, both, again) == (["o-00001"], {"o-00001", "twin"}, ["o-00001"])
    assert registry.recorded_at(USER.name, place) == []
    assert [live.key.name for live in registry.recorded_at(USER.name, CONNECTION)] == ["o-00002"]


def test_what_a_status_records_is_read_once_and_anew_when_it_is_shown_again() -> None:
    registry = Registry()
    for number in (1, 2):
        put(registry, user(number))
    gone = json.loads(user(1))
    gone["metadata"]["resourceVersion"] = "9"
    gone["status"] |= {"created": False, "iam": {}, "conditions": []}

    before = claims_on(registry, ORDERS)
    again = claims_on(registry, ORDERS)
    had = recorded_on(registry, ORDERS)
    registry.put(key_of(gone), gone)
    after = claims_on(registry, ORDERS)

    assert {key.name for key in before} == {"o-00001", "o-00002"}
    assert all(again[key] is claim for key, claim in before.items())
    assert set(had) == {"u-00001@acme-prod.iam", "u-00002@acme-prod.iam"}
    assert all(set(members.values()) == {Ownership.CREATED} for members in had.values())
    assert {key.name for key in after} == {"o-00002"}
    assert set(recorded_on(registry, ORDERS)) == {"u-00002@acme-prod.iam"}
    assert all(before[key] is claim for key, claim in after.items())


def test_kopf_remembers_no_object() -> None:
    memories = NoMemories()

    first, second = (asyncio.run(memories.recall({"metadata": {"uid": "u1"}})) for _ in range(2))

    assert first is not second
    assert list(memories.iter_all_memories()) == []
