"""What somebody else binds: what serves for a login, and the command that adds what is missing."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloudsql_iam_operator.api.instance import ConditionMode, ConnectionName
from cloudsql_iam_operator.core.iam.bindings import Binding, Condition, Scope, condition_for, until
from cloudsql_iam_operator.core.iam.external import missing, serves, way_to_add

LOGIN = "roles/cloudsql.instanceUser"
ANN = "user:ann@acme.com"
ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
END = datetime(2026, 12, 1, tzinfo=UTC)
HERE = condition_for(ConditionMode.PER_INSTANCE, Scope(ORDERS))
HERE_UNTIL = condition_for(ConditionMode.PER_INSTANCE, Scope(ORDERS, expires_at=END))
UNTIL = condition_for(ConditionMode.NONE, Scope(ORDERS, expires_at=END))
ELSEWHERE = condition_for(ConditionMode.PER_INSTANCE, Scope(replace(ORDERS, instance="billing")))
EARLIER = Condition("", "", until(datetime(2026, 11, 1, tzinfo=UTC)))
HOURS = Condition("office hours", "", "request.time.getHours('Europe/Berlin') < 18")


@pytest.mark.parametrize(
    ("wanted", "found", "is_enough"),
    [
        (None, None, True),
        (HERE, None, True),
        (HERE, HERE, True),
        (HERE, Condition("theirs", "in other words", HERE.expression if HERE else ""), True),
        (HERE, HOURS, True),
        (HERE, ELSEWHERE, False),
        (HERE, HERE_UNTIL, False),
        (HERE_UNTIL, None, False),
        (HERE_UNTIL, HERE, False),
        (HERE_UNTIL, HERE_UNTIL, True),
        (HERE_UNTIL, UNTIL, True),
        (HERE_UNTIL, EARLIER, False),
        (HERE_UNTIL, HOURS, False),
        (None, HERE, False),
    ],
)
def test_a_binding_serves_when_it_lets_in_here_and_ends_as_asked(
    wanted: Condition | None, found: Condition | None, is_enough: bool
) -> None:
    assert serves(Binding(LOGIN, "user:Ann@acme.com", found), Binding(LOGIN, ANN, wanted)) is is_enough


def test_only_what_is_missing_is_named_by_role() -> None:
    client = Binding("roles/cloudsql.client", ANN, HERE)
    login = Binding(LOGIN, ANN, HERE)

    assert missing({login, client}, [Binding(LOGIN, ANN)]) == (client,)
    assert missing({login}, [Binding(LOGIN, "user:bob@acme.com"), client]) == (login,)


def test_the_command_is_one_that_a_shell_takes_as_meant() -> None:
    bare = way_to_add(Binding(LOGIN, "user:a$(reboot)'b@acme.com"), "acme-prod")
    narrowed = way_to_add(Binding(LOGIN, ANN, HERE_UNTIL), "acme-prod")

    assert shlex.split(bare)[-2:] == ["--member=user:a$(reboot)'b@acme.com", "--condition=None"]
    assert narrowed == (
        "gcloud projects add-iam-policy-binding acme-prod --role=roles/cloudsql.instanceUser "
        '--member=user:ann@acme.com --condition="title=orders login,expression='
        "resource.name == 'projects/acme-prod/instances/orders' && "
        "resource.type == 'sqladmin.googleapis.com/Instance' && request.time < timestamp('2026-12-01T00:00:00Z')\""
    )
