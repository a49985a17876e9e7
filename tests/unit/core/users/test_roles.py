"""Database roles of a user: who may have which, what stays due, and what the Admin API is told to keep."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.api.instance import AccessRule, CloudSQLInstance
from cloudsql_iam_operator.api.names import INSTANCE
from cloudsql_iam_operator.api.parsing.objects import parse_instance
from cloudsql_iam_operator.core.access.authority import roles_no_longer_due
from cloudsql_iam_operator.core.access.roles import covers_role
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.record import UserRecord, record_in
from cloudsql_iam_operator.core.users.roles import rest_for_the_api
from unit.services.authority.ground import RULE, TEAM, USER_STATUS, body

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HERE = Tenant(TEAM, {"tier": "prod"})
RECORD = replace(record_in(USER_STATUS), roles=frozenset({"app_ro", "app_rw", "pg_monitor", "cloudsqlsuperuser"}))


def rules(*roles: list[str]) -> tuple[AccessRule, ...]:
    told = [{**RULE, "name": f"r{number}", "databaseRoles": one} for number, one in enumerate(roles)]
    spec: CloudSQLInstance = parse_instance(
        body(INSTANCE.name, "orders", {"connectionName": "acme:eu:orders", "access": told})
    )
    return spec.access


@pytest.mark.parametrize(
    ("listed", "lost"),
    [
        ([["app_*", "pg_monitor", "cloudsqlsuperuser"]], set()),
        ([["*"]], {"pg_monitor", "cloudsqlsuperuser"}),
        ([["app_ro"]], {"app_rw", "pg_monitor", "cloudsqlsuperuser"}),
        ([["app_ro"], ["app_rw", "pg_monitor"]], {"app_ro", "cloudsqlsuperuser"}),
        ([[]], {"app_ro", "app_rw", "pg_monitor", "cloudsqlsuperuser"}),
        ([], {"app_ro", "app_rw", "pg_monitor", "cloudsqlsuperuser"}),
    ],
)
def test_a_role_stays_due_while_one_rule_admits_it_with_the_others(listed: list[list[str]], lost: set[str]) -> None:
    assert roles_no_longer_due(RECORD, rules(*listed), HERE, NOW, frozenset()) == lost


def test_a_rule_that_does_not_admit_the_user_admits_no_role() -> None:
    (rule,) = rules(["*", "pg_monitor", "cloudsqlsuperuser"])
    elsewhere = replace(rule, principals=replace(rule.principals, users=("*",)), namespaces=rule.namespaces)

    assert roles_no_longer_due(RECORD, (elsewhere,), Tenant("other", {}), NOW, frozenset()) == RECORD.roles


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [("*", False), ("cloudsql*", False), ("cloudsqlsuperuse?", False), ("cloudsqlsuperuser", True)],
)
def test_the_administrators_role_is_covered_by_its_full_name_alone(pattern: str, covers: bool) -> None:
    (rule,) = rules([pattern])

    assert covers_role(rule, "cloudsqlsuperuser", frozenset()) is covers


def test_roles_survive_the_status() -> None:
    record = UserRecord(roles=frozenset({"b", "a"}))

    assert record.fields()["databaseRoles"] == ["a", "b"]
    assert record_in(record.fields()).roles == {"a", "b"}
    assert record.owns_anything


@pytest.mark.parametrize(
    ("held", "rest"),
    [
        ({"cloudsqlsuperuser"}, ()),
        ({"cloudsqlsuperuser", "app_ro", "cloudsqliamuser"}, ("app_ro",)),
        ({"cloudsqlsuperuser", "app_ro", "pg_monitor"}, None),
        ({"cloudsqlsuperuser", "cloudsqlreplica"}, None),
    ],
)
def test_the_api_takes_a_role_only_when_it_can_be_told_all_the_others(
    held: set[str], rest: tuple[str, ...] | None
) -> None:
    if rest is not None:
        assert rest_for_the_api("x", frozenset(held), frozenset({"cloudsqlsuperuser"})) == rest
        return
    with pytest.raises(Refused) as caught:
        rest_for_the_api("x", frozenset(held), frozenset({"cloudsqlsuperuser"}))

    assert caught.value.reason is Reason.REVOKE_BLOCKED
