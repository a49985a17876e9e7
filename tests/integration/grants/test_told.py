"""Names out of a database that a terminal would obey: granted on as they are, and shown so that nothing happens."""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.cli.plan import as_text
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding, conditions
from cloudsql_iam_operator.services.reconcilers.grant_status import Named, plan_told, status_fields
from cloudsql_iam_operator.services.reconcilers.preview import Preview
from support.granting.setting import Place
from support.granting.wording import key, table, want

ESCAPES = "z\x1b[2J\x1b[1;1H-- nothing to do\nGRANT \x1b[8m"
NAMES = {
    ESCAPES: 'GRANT SELECT ON TABLE "app"."z\\x1b[2J\\x1b[1;1H-- nothing to do\\nGRANT \\x1b[8m" TO "x"',
    "a\x01b": 'GRANT SELECT ON TABLE "app"."a\\x01b" TO "x"',
    "user\u202eresu": 'GRANT SELECT ON TABLE "app"."user\\u202eresu" TO "x"',
    "c\x9b1\x85": 'GRANT SELECT ON TABLE "app"."c\\x9b1\\x85" TO "x"',
}
WANTED = want(table("SELECT"))


def texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            if name != "applied":  # what is taken back by, and so as it is
                yield from texts(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from texts(one)


def acting(text: str, *, lines: bool = False) -> set[str]:
    """Characters of a text that are not shown but act."""
    kept = text.replace("\n", "") if lines else text
    return {one for one in kept if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_out_of_the_database_acts_in_no_plan_and_no_status(place: Place, name: str) -> None:
    place.sql(f'set role app_owner; drop table app.orders cascade; drop table app.items; create table app."{name}" ()')

    planned = place.answer(replace(WANTED, dry=True))
    granted = place.answer(WANTED)
    preview = Preview(key("g"), "acme:eu:orders", "orders", planned.plan_hash, planned.planned)
    status = [plan_told(planned), status_fields(granted, Named({}, ()), {}, datetime.now(UTC))]

    assert status[0]["sample"] == status[1]["last"]["sample"] == [NAMES[name]]
    assert [acting(text) for text in texts(status) if acting(text)] == []
    assert f"{NAMES[name]};\n" in as_text([preview], "sql")
    assert acting(as_text([preview], "sql"), lines=True) == set()
    assert json.loads(as_text([preview], "json"))["grants"][0]["statements"] == [NAMES[name]]
    assert place.value("select count(*) from pg_class, aclexplode(relacl) a where a.grantee = 'x'::regrole") == 1


def test_what_a_server_says_acts_in_no_plan_and_no_condition() -> None:
    problem = Problem(Reason.SQL_PERMISSION_DENIED, f"permission denied for schema {ESCAPES}")
    finding = Finding(ConditionType.GRANTS_APPLIED, problem.reason, problem.message)

    shown = [as_text([Preview(key("g"), problems=(problem,))], form) for form in ("sql", "json")]
    said = conditions([finding], generation=1, previous=(), now=datetime.now(UTC))

    assert [acting(text, lines=True) for text in shown] == [set(), set()]
    assert {condition.message for condition in said} == {
        "permission denied for schema z\\x1b[2J\\x1b[1;1H-- nothing to do\\nGRANT \\x1b[8m"
    }
