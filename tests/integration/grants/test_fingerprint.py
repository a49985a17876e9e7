"""The fingerprint that spares a pass its look: every change of a right, owner, name or role changes it."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from cloudsql_iam_operator.adapters.postgres.database import Database
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from support.granting.setting import Place, Setting
from support.granting.wording import key, want

OPTIONS_SINCE = 16
"""The first version on which memberships have options."""

GROUND = """
create role reader nologin; create role p nologin; grant reader to p with admin option;
create foreign data wrapper w; create server far foreign data wrapper w;
alter schema app owner to app_owner;
set role app_owner;
create table app.parted (id integer) partition by range (id);
create table app.part partition of app.parted default;
create type app.pair as (a integer, b integer);
create domain app.code as text;
create type app.span as range (subtype = integer);
create table app.spare (id integer, note text);
"""

CHANGES = (
    *("grant select on app.orders to x", "revoke select on app.orders from x"),
    *("grant select on app.orders to x with grant option", "revoke grant option for select on app.orders from x"),
    *("grant insert on app.orders to public", "grant select on app.parted to x", "grant select on app.part to x"),
    *("grant select on app.totals to x", "grant select on app.history to x"),
    *("grant usage on sequence app.numbers to x", "revoke usage on sequence app.numbers from x"),
    *("grant select (note) on app.orders to y", "revoke select (note) on app.orders from y"),
    *("grant select (note) on app.totals_of_notes to y", "alter table app.spare rename column note to remark"),
    *("grant execute on function app.f(integer) to x", "revoke execute on function app.f(integer) from public"),
    *("grant execute on procedure app.tidy() to x", "revoke execute on procedure app.tidy() from x"),
    *("grant usage on type app.state to x", "revoke usage on type app.state from x"),
    *("revoke usage on type app.state from public", "grant usage on domain app.code to x"),
    *("revoke usage on domain app.code from x", "grant usage on type app.pair to x"),
    *("revoke usage on type app.pair from x", "grant usage on type app.span to x"),
    *("grant usage on schema app to x", "revoke usage on schema app from x"),
    *("grant connect on database {0} to x", "revoke temporary on database {0} from public"),
    "alter default privileges for role app_owner in schema app grant select on tables to x",
    "alter default privileges for role app_owner in schema app grant usage on types to x",
    "alter default privileges for role app_owner in schema app revoke select on tables from x",
    "alter default privileges for role app_owner revoke execute on functions from public",
    *("grant reader to x", "grant reader to y with admin option", "revoke admin option for reader from y"),
    *("revoke reader from x", "set role p; grant reader to d", "alter role x createdb", "alter role x noinherit"),
    *("alter role y superuser", "alter role d rename to delegate", "create role newcomer"),
    *("alter table app.spare owner to stranger", "alter table app.spare rename to saved"),
    *("alter schema app rename to renamed", "alter schema renamed rename to app", "drop table app.saved"),
    *("alter function app.f(text) owner to stranger", "alter function app.f(text) rename to g"),
    *("alter type app.pair owner to stranger", "alter type app.pair rename to couple"),
    *("alter domain app.code owner to stranger", "alter type app.state rename to condition"),
    *("alter sequence app.numbers owner to stranger", "alter materialized view app.history owner to stranger"),
    *("create table app.newborn ()", "create function app.newborn() returns integer language sql as 'select 1'"),
    *("create type app.born as (a integer)", "create view app.seen as select 1 as one", "create schema another"),
    *("alter schema app owner to stranger", "alter database {0} owner to stranger"),
)
NOTHING = "select"
CHANGES_OF_OPTIONS = (
    "grant reader to x with inherit false",
    "grant reader to x with inherit true",
    "grant reader to x with set false",
)
NO_CHANGES = (
    "insert into app.orders values (1, 'de', 'first')",
    "update app.orders set note = 'second'",
    "select * from app.orders",
    "create temporary table passing (id integer)",
    "analyze app.orders",
)
"""What applications do all day."""


@pytest.fixture
def place() -> Iterator[Place]:
    with Setting() as running:
        made = running.place()
        made.sql(GROUND)
        made.sql("create view app.totals_of_notes as select note from app.orders")
        yield made


def fingerprints(place: Place, changes: tuple[str, ...]) -> Iterator[str]:
    """The fingerprint ahead of all changes by another session, and after each."""
    with closing(Database(place.access(), place.name)) as database:
        yield database.fingerprint(frozenset(ObjectKind))
        for change in changes:
            place.sql(change.format(place.name))
            yield database.fingerprint(frozenset(ObjectKind))


def unnoticed(place: Place, changes: tuple[str, ...]) -> list[str]:
    """Changes that the fingerprint did not show, or that it shows when nothing was changed."""
    twice = tuple(text for change in changes for text in (NOTHING, change))
    seen = list(fingerprints(place, twice))
    return [
        text
        for text, before, after in zip(twice, seen, seen[1:], strict=False)
        if (before == after) is (text != NOTHING)
    ]


def test_every_change_of_a_right_an_owner_a_name_or_a_role_is_seen(place: Place) -> None:
    assert unnoticed(place, CHANGES) == []


def test_options_of_memberships_are_seen_where_there_are_any(place: Place) -> None:
    changes = ("grant reader to x", *(CHANGES_OF_OPTIONS if place.version >= OPTIONS_SINCE else ()))

    assert unnoticed(place, changes) == []


def test_what_changes_no_right_is_no_reason_to_look(place: Place) -> None:
    seen = list(fingerprints(place, NO_CHANGES))

    assert len(seen) == 6
    assert len(set(seen)) == 1


def test_a_temporary_table_of_somebody_is_no_reason_to_look(place: Place) -> None:
    dsn = place.cluster.dsn(None, place.name)
    with closing(Database(place.access(), place.name)) as database, psycopg.connect(dsn, autocommit=True) as somebody:
        before = database.fingerprint(frozenset(ObjectKind))
        somebody.execute("create temporary table passing (id integer, note text)")

        after = database.fingerprint(frozenset(ObjectKind))

    assert after == before


@pytest.mark.parametrize(
    ("kind", "name", "privilege", "change"),
    [
        (ObjectKind.FOREIGN_SERVER, "far", "USAGE", "revoke usage on foreign server far from x"),
        (ObjectKind.FOREIGN_DATA_WRAPPER, "w", "USAGE", "revoke usage on foreign data wrapper w from x"),
        (ObjectKind.LANGUAGE, "plpgsql", "USAGE", "grant usage on language plpgsql to x"),
        (ObjectKind.LARGE_OBJECT, "4242", "SELECT", "revoke select on large object 4242 from x"),
        (ObjectKind.TABLESPACE, "pg_default", "CREATE", "grant create on tablespace pg_default to x"),
    ],
)
def test_a_right_outside_schemas_is_seen_in_a_quiet_tick(
    place: Place, kind: ObjectKind, name: str, privilege: str, change: str
) -> None:
    place.sql("select lo_create(4242); alter large object 4242 owner to app_owner")
    wanted = {key("only"): want(Entry(kind, ("x",), (privilege,), names=(name,)))}
    place.run(wanted)
    settled = place.run(wanted).memory
    assert settled is not None
    assert place.run(wanted, memory=settled).memory is settled, "nothing was changed"

    place.sql(change)

    assert place.run(wanted, memory=settled).memory is not settled


def test_a_right_on_a_setting_is_seen_where_there_are_any(place: Place) -> None:
    with closing(Database(place.access(), place.name)) as database:
        before = database.fingerprint({ObjectKind.PARAMETER})
        place.sql("grant set on parameter work_mem to x" if place.version >= 15 else "")

        assert (database.fingerprint({ObjectKind.PARAMETER}) != before) is (place.version >= 15)
