"""Locks and open changes of others: they keep nobody's rights in force, and the status says whose they are."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.adapters.postgres.session import Limits
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.holding import held, taken_back, told
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, key, objects, on_database, on_schema, table, want

BOTH = table("SELECT", "UPDATE")
LIMIT = 60.0
LOCK = "lock table app.orders in access exclusive mode"
OURS = "select pg_advisory_lock(hashtextextended('cloudsql-iam-operator/grants/' || current_database(), 0))"


@pytest.fixture
def place(setting: Setting) -> Place:
    """A place where waiting is short, and x may get at the schema."""
    made = setting.place()
    made.limits = Limits(lock=100, patience=0.3)
    made.sql("grant usage on schema app to x")
    return made


def test_a_login_with_connect_alone_holds_up_no_grant_and_no_revocation(place: Place) -> None:
    with held(place, OURS, "y") as mallory:
        granted = place.answer(want(BOTH))
        gone = taken_back(place, granted)

    assert (granted.problems, gone.problems, place.acl("app.orders")) == ((), (), [])
    [notice] = gone.notices
    assert notice.startswith(f"the session with pid {mallory.pid} of role 'y', seen for ")
    assert notice.endswith(" holds the operator's advisory lock in this database; nothing waits for that")


def test_a_shared_lock_of_a_stranger_is_told_beside_the_one_that_is_waited_for(place: Place) -> None:
    shared = OURS.replace("pg_advisory_lock", "pg_advisory_lock_shared")

    with held(place, shared, "y"), held(place, shared, "op"):
        answer = place.answer(want(BOTH))

    assert told(answer)


def test_another_writer_of_our_own_login_is_waited_for(place: Place) -> None:
    with held(place, OURS, "op"):
        during = place.answer(want(BOTH))
    after = place.answer(want(BOTH))

    assert told(during)
    assert (after.problems, place.acl("app.orders")) == ((), ["x=rw/app_owner"])


def test_a_lock_on_a_table_by_its_grantee_does_not_keep_its_rights(place: Place) -> None:
    granted = place.answer(want(BOTH))

    with held(place, LOCK, "x") as mallory:
        gone = taken_back(place, granted)
        left = place.acl("app.orders")

    assert place.acl("app.items") == []
    if place.version >= 18:  # GRANT and REVOKE lock the table themselves there
        assert re.search(rf"pid {mallory.pid} of role 'x', seen for \d+s", told(gone))
        gone = taken_back(place, gone)
        left = place.acl("app.orders")
    assert (gone.problems, left) == ((), [])


OPEN_CHANGES = {
    "a grant": "grant insert on app.orders to d",
    "a grant in a savepoint": "savepoint s; grant insert on app.orders to d",
    "a storage parameter": "alter table app.orders set (fillfactor = 50)",
    "a new column": "alter table app.orders add column fresh integer",
}


@pytest.mark.parametrize("change", OPEN_CHANGES)
def test_an_open_change_of_one_table_holds_up_that_table_alone_and_is_told(place: Place, change: str) -> None:
    a = place.answer(want(BOTH))

    with held(place, OPEN_CHANGES[change]) as owner:
        passed = place.run({key("a"): GrantWant(NOTHING, a.ledger), key("b"): want(table("SELECT", to=("y",)))})
        meanwhile = place.acl("app.items"), place.acl("app.orders")
    gone, given = passed.answers[key("a")], passed.answers[key("b")]
    assert isinstance(gone, GrantAnswer)
    assert isinstance(given, GrantAnswer)

    assert meanwhile == (["y=r/app_owner"], ["x=rw/app_owner"])
    for answer in (gone, given):
        assert f"waits for the session with pid {owner.pid} of role 'postgres'" in told(answer)
    after = place.run({key("a"): GrantWant(NOTHING, gone.ledger), key("b"): want(table("SELECT", to=("y",)))})
    assert [one.problems for one in after.answers.values() if isinstance(one, GrantAnswer)] == [(), ()]
    assert place.acl("app.orders") == ["y=r/app_owner"]


OF_OTHER_KINDS: dict[str, tuple[Entry | RoleEntry, str]] = {
    "schema": (on_schema("CREATE"), "grant create on schema app to d"),
    "database": (on_database("TEMPORARY"), "grant create on database {0} to d"),
    "routine": (objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",)), "alter function app.f(integer) cost 7"),
    "type": (objects(ObjectKind.TYPE, "USAGE", names=("state",)), "grant usage on type app.state to d"),
    "sequence": (objects(ObjectKind.SEQUENCE, "USAGE"), "grant select on app.numbers to d"),
    "view": (objects(ObjectKind.VIEW, "SELECT"), "grant insert on app.totals to d"),
    "column": (
        Entry(ObjectKind.COLUMN, ("x",), ("SELECT",), "app", ("orders",), columns=("note",)),
        "grant insert (note) on app.orders to d",
    ),
    "future": (
        Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", future=True, owners=("app_owner",)),
        "alter default privileges in schema app grant insert on tables to d",
    ),
    "membership": (RoleEntry("d", ("x",)), "reset role; revoke d from x"),
}


@pytest.mark.parametrize("kind", OF_OTHER_KINDS)
def test_an_open_change_of_any_kind_of_object_is_told_and_stops_nothing_else(place: Place, kind: str) -> None:
    entry, change = OF_OTHER_KINDS[kind]
    place.sql("grant d to op with admin option")
    granted = place.answer(want(entry, table("SELECT", names=("items",))))
    assert granted.problems == ()

    with held(place, change.format(place.name)) as owner:
        gone = taken_back(place, granted)
        items = place.acl("app.items")
    finally_gone = taken_back(place, gone)

    assert items == []
    assert f"waits for the session with pid {owner.pid} of role 'postgres'" in told(gone)
    assert finally_gone.problems == ()
    place.sql("revoke d from op")


def test_a_lock_that_a_statement_would_not_wait_for_does_not_hold_it_up(place: Place) -> None:
    """Only tables are locked before a grant: CREATE OR REPLACE VIEW and REFRESH hold up no grant on their views."""
    both = want(table("SELECT", names=("orders",)), objects(ObjectKind.MATERIALIZED_VIEW, "SELECT"))

    with held(place, "lock table app.orders in share mode"), held(place, "reindex table app.history"):
        answer = place.answer(both)

    assert [problem.message.partition(" waits")[0] for problem in answer.problems] == [
        'GRANT SELECT ON TABLE "app"."orders" TO "x"'
    ]
    assert place.acl("app.history") == ["x=r/app_owner"]


def test_many_held_tables_cost_the_others_no_time_worth_speaking_of(place: Place) -> None:
    place.sql(
        "set role app_owner;"
        "do $$ begin for n in 1..150 loop execute format('create table app.t%s ()', n); end loop; end $$"
    )
    granted = place.answer(want(BOTH))
    locks = ", ".join(f"app.t{n}" for n in range(1, 151) if n != 77)

    with held(place, f"lock table {locks} in share mode"):
        gone = taken_back(place, granted)

    assert gone.problems == ()
    assert place.value("select count(*) from pg_class, aclexplode(relacl) a where a.grantee = 'x'::regrole") == 0


def test_a_lock_that_waits_behind_a_reader_holds_up_no_longer_than_one_that_is_held(place: Place) -> None:
    granted = place.answer(want(BOTH))

    with (
        held(place, "select 1 from app.orders", "x") as reader,
        psycopg.connect(place.cluster.dsn(None, place.name)) as waiting,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(waiting.execute, LOCK.encode())
        until(lambda: place.value("select count(*) from pg_locks where not granted") == 1)
        gone = taken_back(place, granted)
        reader.session.rollback()
        asked.result(LIMIT)
        waiting.rollback()
    gone = taken_back(place, gone)

    assert (gone.problems, place.acl("app.orders")) == ((), [])


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_how_long_a_session_is_in_the_way_is_told_to_who_may_see_it(place: Place) -> None:
    granted = place.answer(want(BOTH))
    place.sql("alter role op inherit; grant pg_read_all_stats to op")
    try:
        with held(place, "grant insert on app.orders to d"):
            gone = taken_back(place, granted)
    finally:
        place.sql("revoke pg_read_all_stats from op; alter role op noinherit")

    assert re.search(r"of role 'postgres', open for \d+s: it is done once that ends", told(gone))


def test_a_prepared_transaction_is_told_by_its_name() -> None:
    with Setting(settings={"max_prepared_transactions": "2"}) as setting:
        place = setting.place()
        place.limits = Limits(lock=100, patience=0.3)
        granted = place.answer(want(BOTH))
        place.sql("begin; set local role app_owner; grant insert on app.orders to d; prepare transaction 'forgotten'")
        place.sql(f"begin; {OURS.replace('_lock(', '_xact_lock(')}; prepare transaction 'hoarded'", "y")

        gone = taken_back(place, granted)
        for name in ("forgotten", "hoarded"):
            place.sql(f"rollback prepared '{name}'")

    assert re.search(r"waits for the prepared transaction 'forgotten' of role 'app_owner', open for \d+s", told(gone))
    assert [notice.partition(",")[0] for notice in gone.notices] == ["the prepared transaction 'hoarded' of role 'y'"]


def test_the_look_for_blockers_is_a_look(place: Place) -> None:
    with held(place, LOCK), place.access().connect(place.name) as connection:
        rows = connection.execute(query("blockers")).fetchall()

    assert [(row[:4], row[5]) for row in rows] == [(("relation", "app", "orders", "AccessExclusiveLock"), "postgres")]
