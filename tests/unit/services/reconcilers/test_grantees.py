"""The roles of grantees whose accounts' names PostgreSQL does not keep whole."""

from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.api.grant import DatabaseGrant, UserRef
from cloudsql_iam_operator.api.names import API_VERSION, GRANT, INSTANCE, USER, Key
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, GranteeRole
from cloudsql_iam_operator.services.reconcilers.grant_status import Named, status_fields
from cloudsql_iam_operator.services.reconcilers.grantees import are_new, named
from cloudsql_iam_operator.services.runtime.registry import Registry

CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
WHOLE = f"serviceAccount:{CUT}am.gserviceaccount.com"
RIVAL = f"serviceAccount:{CUT}ot.example.iam.gserviceaccount.com"
SHORT = "serviceAccount:billing@acme.iam.gserviceaccount.com"


def named_among(*users: str, **members: tuple[str, str, bool]) -> Named:
    """Grantees of a grant to `users`; for each the username, the member, and whether the user was made for it."""
    registry = Registry()
    spec = {
        "instanceRef": {"name": "orders"},
        "database": "orders",
        "grantees": [{"userRef": {"name": user}} for user in users],
        "preset": "read",
        "schemas": ["app"],
    }
    registry.put(Key(GRANT.name, "team", "reads"), body(GRANT.name, "reads", spec))
    instance = body(INSTANCE.name, "orders", {"connectionName": "acme:eu:orders"})
    registry.put(Key(INSTANCE.name, "", "orders"), instance)
    for name, (username, member, created) in members.items():
        status = {
            "username": username,
            "member": member,
            "created": created,
            "adopted": not created,
            "instance": "acme:eu:orders",
            "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        user = body(USER.name, name, {"instanceRef": {"name": "orders"}, "principal": {"user": "ann@acme.com"}})
        registry.put(Key(USER.name, "team", name), {**user, "status": status})
    live = registry.get(Key(GRANT.name, "team", "reads"))
    assert live is not None
    assert isinstance(live.spec, DatabaseGrant)
    return named(live.spec, registry, frozenset())


def body(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    created = "2026-01-01T00:00:00Z"
    metadata = {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 1, "creationTimestamp": created}
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def test_only_a_role_whose_name_is_cut_is_shown_as_truncated() -> None:
    found = named_among("a", "b", a=(CUT, WHOLE, True), b=("billing@acme.iam", SHORT, True))

    assert found.roles == {UserRef("a"): CUT, UserRef("b"): "billing@acme.iam"}
    assert found.cut == {CUT}
    assert found.missing == ()


def test_a_cut_name_is_given_nothing_until_the_user_was_made_for_this_account() -> None:
    found = named_among("a", "b", a=(CUT, WHOLE, False), b=("billing@acme.iam", SHORT, False))

    assert found.roles == {UserRef("b"): "billing@acme.iam"}
    assert [problem.reason for problem in found.missing] == [Reason.USER_NOT_READY]


def test_accounts_of_one_cut_name_are_refused_with_both_named() -> None:
    with pytest.raises(Refused) as caught:
        named_among("a", "b", a=(CUT, WHOLE, True), b=(CUT, RIVAL, False))

    assert caught.value.reason is Reason.INVALID_SPEC
    assert caught.value.message == (
        f"grantees a and b are {WHOLE} and {RIVAL}, both to be database user {CUT}; "
        "use an account with a shorter name for one"
    )


def test_two_objects_for_one_account_are_no_collision() -> None:
    found = named_among("a", "b", a=(CUT, WHOLE, True), b=(CUT, WHOLE, False))

    assert found.roles == {UserRef("a"): CUT}
    assert [problem.reason for problem in found.missing] == [Reason.USER_NOT_READY]


@pytest.mark.parametrize(
    ("status", "is_new"),
    [
        ({"observedGeneration": -1}, True),
        ({"observedGeneration": 1, "created": True}, True),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
    ],
    ids=["never reconciled", "being made", "told of"],
)
def test_a_user_is_new_until_its_status_says_how_it_stands_however_long_that_takes(
    status: dict[str, Any], is_new: bool
) -> None:
    registry = Registry()
    grantees = [{"userRef": {"name": "a"}}]
    grant = {"instanceRef": {"name": "i"}, "database": "d", "grantees": grantees, "preset": "read", "schemas": ["app"]}
    registry.put(Key(GRANT.name, "team", "reads"), body(GRANT.name, "reads", grant))
    user = body(USER.name, "a", {"instanceRef": {"name": "i"}, "principal": {"user": "ann@acme.com"}})
    registry.put(Key(USER.name, "team", "a"), {**user, "status": status})
    live = registry.get(Key(GRANT.name, "team", "reads"))
    assert live is not None
    assert isinstance(live.spec, DatabaseGrant)

    assert are_new(live.spec, registry) is is_new


def test_a_user_that_is_not_there_is_not_new() -> None:
    registry = Registry()
    spec = {"instanceRef": {"name": "i"}, "database": "d", "preset": "read", "schemas": ["app"]}
    key, stored = Key(GRANT.name, "team", "reads"), body(GRANT.name, "reads", spec)
    registry.put(key, {**stored, "spec": {**spec, "grantees": [{"userRef": {"name": "a"}}]}})
    live = registry.get(key)
    assert live is not None
    assert isinstance(live.spec, DatabaseGrant)

    assert not are_new(live.spec, registry)


def test_the_status_tells_of_a_cut_name() -> None:
    answer = GrantAnswer(grantees=(GranteeRole(CUT, True), GranteeRole("b", True)))

    found = Named({UserRef("a"): CUT, UserRef("b"): "b"}, (), frozenset({CUT}))
    fields = status_fields(answer, found, {}, datetime(2026, 1, 2, tzinfo=UTC))

    assert fields["grantees"] == [
        {"name": "a", "role": CUT, "exists": True, "truncated": True},
        {"name": "b", "role": "b", "exists": True, "truncated": False},
    ]
