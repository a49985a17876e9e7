"""What was granted is found again after its object, schema, role or database got another name or place."""

from typing import LiteralString

import psycopg
import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.grants.desired.written import recorded, rendered
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place
from support.granting.wording import NOTHING, key, objects, on_schema, table, want

OTHER = "create schema other authorization app_owner;"
BY_NAME = (
    table("SELECT", names=("orders",)),
    Entry(ObjectKind.COLUMN, ("x",), ("UPDATE",), "app", ("orders",), columns=("note",)),
    objects(ObjectKind.VIEW, "SELECT", names=("totals",)),
    objects(ObjectKind.SEQUENCE, "USAGE", names=("numbers",)),
    objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",)),
    objects(ObjectKind.TYPE, "USAGE", names=("state",)),
)

NAMING = """
select array(
    select pg_describe_object(classid, objid, objsubid) from pg_shdepend
    where refobjid = {0} and dbid = (select oid from pg_database where datname = current_database())
    order by 1
)
"""

AWAY: dict[str, LiteralString] = {
    "table renamed": "alter table app.orders rename to was_orders",
    "table moved": OTHER + "alter table app.orders set schema other",
    "table moved and renamed": OTHER + "alter table app.orders set schema other; alter table other.orders rename to a",
    "view in its place": "alter table app.orders rename to was_orders; create view app.orders as select 1 as one",
    "view moved": OTHER + "alter view app.totals set schema other",
    "sequence renamed": "alter sequence app.numbers rename to counts",
    "function renamed": "alter function app.f(integer) rename to g",
    "function moved": OTHER + "alter function app.f(integer) set schema other",
    "type moved": OTHER + "alter type app.state set schema other",
    "schema renamed": "alter schema app rename to was_app",
    "schema renamed, another in its place": "alter schema app rename to was_app; create schema app;"
    "create table app.orders (note text)",
}


def naming(place: Place) -> list[str]:
    found: list[str] = place.value(NAMING.format("'x'::regrole"))
    return found


@pytest.mark.parametrize("what", AWAY)
def test_what_was_granted_by_name_is_taken_back_wherever_it_is_now(place: Place, what: str) -> None:
    first = place.answer(want(*BY_NAME))
    place.sql(AWAY[what])

    last = place.answer(GrantWant(NOTHING, recorded(rendered(first.ledger))))

    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


WILDCARDS = (
    on_schema("USAGE"),
    table("SELECT"),
    objects(ObjectKind.ROUTINE, "EXECUTE"),
    Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=("*",)),
)


@pytest.mark.parametrize("what", [name for name in AWAY if name.startswith("schema")])
def test_a_renamed_schema_takes_no_wildcard_along(place: Place, what: str) -> None:
    first = place.answer(want(*WILDCARDS))
    place.sql(AWAY[what])

    last = place.answer(GrantWant(NOTHING, recorded(rendered(first.ledger))))

    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


def test_a_renamed_role_loses_what_it_was_granted_under_its_old_name(place: Place) -> None:
    place.sql("create role was; create role club; grant club to op with admin option")
    entries = (
        table("SELECT", to=("was",)),
        Entry(ObjectKind.TABLE, ("was",), ("SELECT",), "app", future=True, owners=("app_owner",)),
        RoleEntry("club", ("was",)),
    )
    first = place.answer(want(*entries))
    place.sql("alter role was rename to is_now; alter role club rename to society; create role was")

    declared_still = place.answer(want(*entries, ledger=first.ledger))
    last = place.answer(GrantWant(NOTHING, declared_still.ledger))
    left = place.value(NAMING.format("'is_now'::regrole")) + place.value(NAMING.format("'was'::regrole"))
    members = place.value(
        "select count(*) from pg_auth_members where roleid = 'society'::regrole and member <> 'op'::regrole"
    )
    place.sql("drop role is_now; drop role was; drop role society")

    assert declared_still.notes == (
        "role club is society now: what was granted there stays until its entry goes",
        "role was is is_now now: what was granted there stays until its entry goes",
    )
    assert (left, members, last.problems, last.ledger) == ([], 0, (), frozenset())


def test_what_is_declared_still_is_left_behind_and_named(place: Place) -> None:
    wanted = (table("SELECT", names=("items", "orders")), objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",)))
    first = place.answer(want(*wanted))
    place.sql("alter table app.orders rename to was_orders; create table app.orders ()")
    place.sql("alter table app.orders owner to app_owner; alter function app.f(integer) rename to g")

    second = place.answer(want(*wanted, ledger=first.ledger))
    third = place.answer(want(*wanted, ledger=second.ledger))

    assert third.notes == (
        "relation app.orders is app.was_orders now: what was granted there stays until its entry goes",
        "routine app.f(integer) is app.g now: what was granted there stays until its entry goes",
    )
    assert place.acl("app.was_orders") == ["x=r/app_owner"]


def test_what_was_dropped_or_lost_its_rights_is_forgotten(place: Place) -> None:
    wanted = table("SELECT", names=("items", "orders"))
    first = place.answer(want(wanted))
    place.sql(
        "alter table app.orders rename to was_orders; drop table app.items; revoke select on app.was_orders from x"
    )

    second = place.answer(want(wanted, ledger=first.ledger))

    assert second.notes == ()
    assert [entry.names for entry in second.ledger if entry.kind == "known:relation"] == []


@pytest.mark.parametrize("also", ["", "alter table app.orders rename to was_orders"])
def test_a_renamed_column_loses_what_was_granted_on_it(place: Place, also: str) -> None:
    first = place.answer(want(*BY_NAME))
    second = place.answer(want(*BY_NAME, ledger=first.ledger))
    place.sql(f"alter table app.orders rename note to remark; {also}")

    last = place.answer(GrantWant(NOTHING, recorded(rendered(second.ledger))))

    assert (naming(place), last.problems, last.ledger) == ([], (), frozenset())


def test_oids_of_another_database_are_not_looked_at(place: Place) -> None:
    wanted = table("SELECT", names=("orders",))
    first = place.answer(want(wanted))
    place.sql("alter table app.orders rename to was_orders")
    foreign = frozenset(
        entry if entry.kind != "known:database" else type(entry)(entry.kind, (), (), entry.schema, ("",), oid=1)
        for entry in first.ledger
    )

    last = place.answer(GrantWant(NOTHING, foreign))

    assert (last.executed, place.acl("app.was_orders")) == ((), ["x=r/app_owner"])


def test_a_table_that_left_a_wildcard_is_said_to_be_left(place: Place) -> None:
    first = place.answer(want(table("SELECT")))
    place.sql(f"{OTHER} alter table app.orders set schema other; grant insert on other.orders to x")

    last = place.answer(GrantWant(NOTHING, first.ledger))

    assert last.residual == (Residual("x", "SELECT", "other.orders", 1, elsewhere=True),)
    assert (last.executed, last.ledger) == (('REVOKE SELECT ON TABLE "app"."items" FROM "x"',), frozenset())


def test_what_another_object_declares_elsewhere_is_not_said_to_be_left(place: Place) -> None:
    first = place.answer(want(table("SELECT")))
    place.sql(f"{OTHER} alter table app.orders set schema other")
    elsewhere = want(table("SELECT", schema="other"))

    passed = place.run({key("a"): GrantWant(NOTHING, first.ledger), key("b"): elsewhere})
    answer = passed.answers[key("a")]

    assert isinstance(answer, GrantAnswer)
    assert answer.residual == ()


def test_a_renamed_database_is_named_and_what_was_granted_in_it_stays_on_record(place: Place) -> None:
    first = place.answer(want(table("SELECT")))
    old, place.name = place.name, place.name + "_now"
    place.close()
    with psycopg.connect(place.cluster.dsn(), autocommit=True) as connection:
        connection.execute(f"alter database {old} rename to {place.name}".encode())

    passed = run_pass(place.access(), old, {key("a"): GrantWant(NOTHING, first.ledger)}, {}, None)
    answer = passed.answers[key("a")]

    assert isinstance(answer, NotYet)
    assert answer.reason is Reason.DATABASE_NOT_FOUND
    assert f"it is called '{place.name}' now, and has what was granted" in answer.message


def test_a_database_that_was_dropped_took_everything_along(place: Place) -> None:
    first = place.answer(want(table("SELECT")))
    place.close()
    with psycopg.connect(place.cluster.dsn(), autocommit=True) as connection:
        connection.execute(f"drop database {place.name}".encode())

    passed = run_pass(place.access(), place.name, {key("a"): GrantWant(NOTHING, first.ledger)}, {}, None)

    assert passed.answers[key("a")] == GrantAnswer()
