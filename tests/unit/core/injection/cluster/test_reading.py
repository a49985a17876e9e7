from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.facts import InstanceFact, Login, ServiceAccountFact

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
CREATED = {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2}
ORDERS = InstanceFact("orders-prod", "acme-prod:europe-west1:orders", IPType.PRIVATE)


def user(**status: Any) -> dict[str, Any]:
    """A user whose status is about it as it stands, unless told otherwise."""
    return {
        "metadata": {"name": "checkout", "namespace": "orders", **CREATED},
        "spec": {
            "instanceRef": {"name": "orders-prod"},
            "principal": {"kubernetesServiceAccount": {"name": "checkout"}},
        },
        "status": {"observedGeneration": 2} | status,
    }


def grant(name: str, database: str, to: str = "checkout") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "orders", **CREATED},
        "spec": {
            "instanceRef": {"name": "orders-prod"},
            "database": database,
            "grantees": [{"userRef": {"name": to}}],
            "grants": [{"kind": "Database", "privileges": ["CONNECT"]}],
        },
    }


def conditions(**held: str) -> list[dict[str, str]]:
    return [{"type": name, "status": status, "reason": "R", "message": "m"} for name, status in held.items()]


def test_an_instance_is_read_with_its_address_type() -> None:
    body = {
        "metadata": {"name": "orders-prod", **CREATED},
        "spec": {"connectionName": "acme-prod:europe-west1:orders", "admin": {"database": {"ipType": "PSC"}}},
    }

    assert reading.instance(body) == InstanceFact("orders-prod", "acme-prod:europe-west1:orders", IPType.PSC)
    known = InstanceFact("orders-prod", "acme-prod:europe-west1:orders", IPType.PSC, ("PUBLIC", "PSC"))
    assert reading.instance({**body, "status": {"ipTypes": ["PUBLIC", "PSC"]}}) == known


def test_an_object_that_cannot_be_read_is_left_out() -> None:
    assert reading.instance({"metadata": {}, "spec": {}}) is None
    assert reading.user({"metadata": {}, "spec": {}}) is None
    assert reading.grant({"metadata": {}, "spec": {}}) is None


@pytest.mark.parametrize(
    ("annotations", "account"),
    [
        (None, ""),
        ({}, ""),
        (
            {"iam.gke.io/gcp-service-account": " Checkout@p.iam.gserviceaccount.com"},
            "checkout@p.iam.gserviceaccount.com",
        ),
        ({"iam.gke.io/gcp-service-account": "a" * 32_768 + "@p.iam.gserviceaccount.com"}, ""),
        ({"iam.gke.io/gcp-service-account": "x\x1b[2J@p.iam.gserviceaccount.com"}, ""),
    ],
)
def test_a_service_account_is_read_with_the_account_it_acts_as(annotations: object, account: str) -> None:
    body = {"metadata": {"name": "checkout", "namespace": "orders", "annotations": annotations}}

    assert reading.service_account(body) == ServiceAccountFact("checkout", account)


@pytest.mark.parametrize(
    ("held", "login"),
    [
        ({}, Login.WAITS),
        ({"Ready": "False", "Reconciling": "True"}, Login.WAITS),
        ({"Ready": "True"}, Login.WORKS),
        ({"Ready": "False", "Stalled": "True", "IAMBound": "True", "UserReady": "True"}, Login.WORKS),
        ({"Ready": "False", "Stalled": "True", "IAMBound": "True", "UserReady": "False"}, Login.STALLED),
    ],
)
def test_the_conditions_tell_whether_logging_in_works(held: dict[str, str], login: Login) -> None:
    seen = reading.user(user(conditions=conditions(**held)))

    assert seen is not None
    assert seen.login is login


def test_an_expired_user_is_seen_as_such_although_it_is_ready() -> None:
    ready = [{"type": "Ready", "status": "True", "reason": "Expired", "message": "at noon"}]

    seen = reading.user(user(conditions=ready))

    assert seen is not None
    assert (seen.login, seen.problem) == (Login.EXPIRED, "Expired: at noon")


def stalled(generation: int, *applied: str) -> dict[str, Any]:
    entries = [{"role": "checkout@p.iam", "privilege": entry} for entry in applied]
    return {"observedGeneration": generation, "conditions": conditions(Stalled="True"), "applied": entries}


@pytest.mark.parametrize(
    ("status", "counts"),
    [
        ({}, True),
        (stalled(2), False),
        (stalled(2, "SELECT"), True),
        (stalled(1), True),
        ({"observedGeneration": 2, "conditions": conditions(Ready="False", Reconciling="True")}, True),
    ],
)
def test_a_grant_counts_unless_it_is_refused_as_it_stands_and_holds_nothing(
    status: dict[str, Any], counts: bool
) -> None:
    seen = reading.grant(grant("a", "nodb") | {"status": status})

    assert (seen is not None) is counts


def test_a_users_databases_are_those_of_the_grants_that_name_it() -> None:
    seen = reading.user(user(username="checkout@p.iam", member="serviceAccount:checkout@p.iam.gserviceaccount.com"))
    grants = [reading.grant(g) for g in (grant("a", "orders"), grant("b", "orders"), grant("c", "x", to="other"))]

    assert seen is not None
    fact = reading.fact(seen, ORDERS, [g for g in grants if g is not None], NOON)

    assert (fact.databases, fact.username, fact.instance) == (("orders",), "checkout@p.iam", ORDERS)


@pytest.mark.parametrize(
    ("status", "change", "unseen"),
    [
        ({}, {}, True),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "UserNotReady"}]}, {}, True),
        ({"applied": [{"role": "r"}], "conditions": []}, {}, True),
        ({"observedGeneration": 2, "conditions": []}, {}, True),
        ({"observedGeneration": 1, "observed": {"desired": 0}}, {}, True),
        ({"observedGeneration": 2, "observed": {"desired": 0}}, {}, False),
        (
            {
                "observedGeneration": 2,
                "observed": {},
                "conditions": [{"type": "Ready", "status": "False", "reason": "UserNotReady"}],
            },
            {},
            False,
        ),
        (
            {
                "observedGeneration": 2,
                "conditions": [{"type": "Ready", "status": "False", "reason": "DatabaseNotFound"}],
            },
            {},
            False,
        ),
        ({"observedGeneration": 2, "applied": [{}], "conditions": conditions(Stalled="True")}, {}, False),
        ({}, {"mode": "Plan"}, False),
        ({}, {"suspend": True}, False),
    ],
)
def test_a_grant_is_unseen_while_it_will_be_carried_out_and_nobody_has_looked_yet(
    status: dict[str, Any], change: dict[str, Any], unseen: bool
) -> None:
    body = grant("a", "orders")
    seen, on = reading.user(user()), reading.grant(body | {"spec": body["spec"] | change, "status": status})

    assert seen is not None
    assert on is not None
    assert reading.fact(seen, ORDERS, [on], NOON).unseen == (("a",) if unseen else ())


@pytest.mark.parametrize(
    ("until", "acts_at"),
    [
        ("2026-11-26T12:00:01Z", datetime(2026, 11, 26, 12, 0, 1, tzinfo=UTC)),
        ("2026-11-26T12:00:00Z", None),
        ("soon", None),
        (5, None),
    ],
)
def test_iam_is_waited_for_until_the_time_in_the_status(until: object, acts_at: datetime | None) -> None:
    seen = reading.user(user(iam={"propagationUntil": until}))

    assert seen is not None
    assert reading.fact(seen, ORDERS, [], NOON).acts_at == acts_at


PAST = {"created": True, "iam": {"propagationUntil": "2026-11-26T11:00:00Z"}}
INTENDED = {"created": True, "iam": {"bindings": [{"role": "roles/cloudsql.client", "added": True}]}}
OTHERS = {"adopted": True, "iam": {"bindings": [{"role": "roles/cloudsql.client", "added": False}]}}
NOT_LOOKED_AT = {
    "it was let in, and is suspended": (PAST, "Suspended", Login.WORKS),
    "others let it in, and Google cannot be reached": (OTHERS, "GoogleUnreachable", Login.WORKS),
    "it was let in, and a quota is used up": (PAST, "QuotaExceeded", Login.WORKS),
    "its bindings were only about to be made": (INTENDED, "GoogleUnreachable", Login.WAITS),
    "it was never there": ({}, "Suspended", Login.WAITS),
    "its access is being taken back": (PAST | {"withdrawn": True}, "QuotaExceeded", Login.WAITS),
    "a binding was looked for and is missing": (PAST, "IAMBindingMissing", Login.WAITS),
    "its instance was stopped": (PAST, "InstanceStopped", Login.WAITS),
}


@pytest.mark.parametrize(("record", "reason", "login"), NOT_LOOKED_AT.values(), ids=NOT_LOOKED_AT)
def test_a_user_that_was_let_in_goes_on_to_log_in_while_nobody_can_look(
    record: dict[str, Any], reason: str, login: Login
) -> None:
    ready = [{"type": "Ready", "status": "False", "reason": reason, "message": "m"}]

    seen = reading.user(user(conditions=ready, **record))

    assert seen is not None
    assert seen.login is login


EXPIRED = [{"type": "Ready", "status": "True", "reason": "Expired", "message": "at noon"}]


@pytest.mark.parametrize("found", [EXPIRED, conditions(Ready="False", Stalled="True")])
def test_what_only_an_edit_helps_waits_once_it_was_edited(found: list[dict[str, str]]) -> None:
    seen = reading.user(user(conditions=found, observedGeneration=1))

    assert seen is not None
    assert (seen.login, seen.problem) == (Login.WAITS, "its latest edit was not looked at yet")


@pytest.mark.parametrize(("drifted", "login"), [("True", Login.OBSERVED), ("False", Login.WORKS)])
def test_a_user_that_is_only_observed_may_be_let_in_by_others(drifted: str, login: Login) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "Observing", "message": "1 differences are left"}

    seen = reading.user(user(conditions=[ready, *conditions(Drifted=drifted)]))

    assert seen is not None
    assert seen.login is login


def applied(status: str, reason: str, generation: int = 2) -> dict[str, Any]:
    about = {"type": "GrantsApplied", "status": status, "reason": reason, "observedGeneration": generation}
    return {"conditions": [about]}


ROLES = {
    "nobody has looked": ({}, {}, True),
    "given, and told": ({"databaseRoles": ["app_rw"]}, {}, False),
    "held before": (applied("True", "Succeeded"), {}, False),
    "those of an earlier edit": (applied("True", "Succeeded", 1), {}, True),
    "the database cannot be reached": (applied("False", "DatabaseUnreachable"), {}, True),
    "it is for the pod to make": (applied("False", "RoleNotFound"), {}, False),
    "only observed": ({}, {"mode": "Observe"}, False),
    "suspended": ({}, {"suspend": True}, False),
}


@pytest.mark.parametrize(("status", "change", "due"), ROLES.values(), ids=ROLES)
def test_database_roles_are_due_until_they_were_given_as_declared(
    status: dict[str, Any], change: dict[str, Any], due: bool
) -> None:
    body = user(**status)

    seen = reading.user(body | {"spec": body["spec"] | {"databaseRoles": ["app_rw"]} | change})

    assert seen is not None
    assert seen.roles_due is due
