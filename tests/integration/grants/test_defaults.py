"""Defaults that others gave to a database, to the operator's role, or to both together: none of them moves a pass."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql

from cloudsql_iam_operator.adapters.postgres.startup import EVERY
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, objects, on_schema, table, want

WANTED = want(
    on_schema("USAGE"),
    table("SELECT"),
    objects(ObjectKind.ROUTINE, "EXECUTE", names=("f(integer)",)),
)
GRANTED = (
    'GRANT USAGE ON SCHEMA "app" TO "x"',
    'GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"',
    'GRANT EXECUTE ON FUNCTION "app"."f"("pg_catalog"."int4") TO "x"',
)
REVOKED = tuple(text.replace("GRANT", "REVOKE").replace(" TO ", " FROM ") for text in GRANTED)

LEVELS = ("database", "role", "role in database")

HOSTILE = {
    "search_path": "evil, pg_catalog",
    "role": "stranger",
    "session_authorization": "stranger",
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "1ms",
    "transaction_timeout": "1ms",
    "local_preload_libraries": "no_such_library",
    "client_encoding": "SJIS",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "exit_on_error": "on",
    "client_min_messages": "error",
    "array_nulls": "off",
    "work_mem": "64kB",
}
"""A value of each that would do harm, were it to count."""

SHADOWS = """
create schema evil; grant usage, create on schema evil to public;
create table evil.called (name text); grant all on evil.called to public;
grant stranger to op;
do $make$
declare
    one record;
    types text;
begin
    for one in
        select p.oid, p.proname, p.proargtypes::oid[] as types, p.prorettype, p.proretset
        from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
            and p.proname in (
                'set_config', 'count', 'unnest', 'current_setting', 'current_database', 'pg_is_in_recovery',
                'pg_has_role', 'aclexplode', 'acldefault', 'hashtextextended', 'hash_record_extended', 'to_jsonb',
                'to_regprocedure', 'has_function_privilege', 'pg_advisory_xact_lock', 'pg_try_advisory_xact_lock',
                'pg_backend_pid', 'lower', 'position', 'nameeq', 'texteq', 'oideq'
            )
            and not 'internal'::regtype = any(p.proargtypes::oid[])
    loop
        select coalesce(string_agg(format_type(t, null), ', '), '') into types from unnest(one.types) t;
        begin
            execute format(
                'create function evil.%I(%s) returns %s%s language plpgsql as '
                '$f$ begin insert into evil.called values (%L); return null; end $f$',
                one.proname, types, case when one.proretset then 'setof ' else '' end,
                format_type(one.prorettype, null), one.proname
            );
        exception when others then null;
        end;
    end loop;
end
$make$;
create function evil.no(a text, b text) returns boolean language plpgsql as
    $$ begin insert into evil.called values ('='); return false; end $$;
create function evil.no(a name, b name) returns boolean language plpgsql as
    $$ begin insert into evil.called values ('='); return false; end $$;
create function evil.no(a oid, b oid) returns boolean language plpgsql as
    $$ begin insert into evil.called values ('='); return false; end $$;
create operator evil.= (leftarg = text, rightarg = text, function = evil.no);
create operator evil.= (leftarg = name, rightarg = name, function = evil.no);
create operator evil.= (leftarg = oid, rightarg = oid, function = evil.no);
create operator evil.<> (leftarg = oid, rightarg = oid, function = evil.no);
create view evil.pg_class as select * from pg_catalog.pg_class where false;
create view evil.pg_roles as select * from pg_catalog.pg_roles where false;
create view evil.pg_namespace as select * from pg_catalog.pg_namespace where false;
create view evil.pg_locks as select * from pg_catalog.pg_locks where false;
grant select on all tables in schema evil to public;
create domain evil.text as pg_catalog.text;
create domain evil.oid as pg_catalog.oid;
"""
"""Namesakes of what our queries use, each of which says in a table that it was called."""


_NOT_TAKEN = (
    psycopg.errors.ActiveSqlTransaction,
    psycopg.errors.CantChangeRuntimeParam,
    psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.UndefinedObject,
)
"""How a server says that it has no such setting, or none that a default can be given to."""


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    with Setting() as running:
        yield running


@pytest.fixture
def hostile(setting: Setting) -> Iterator[Callable[[str, str, str], Place | None]]:
    """A place with a default at a level, which is gone afterwards; None where the server knows no such setting."""
    made: list[Place] = []

    def of(level: str, name: str, value: str) -> Place | None:
        place = setting.place()
        place.sql(SHADOWS)
        made.append(place)
        return place if give(place, level, name, value) else None

    yield of
    for place in made:
        place.sql("alter role op reset all; revoke stranger from op")


def give(place: Place, level: str, name: str, value: str) -> bool:
    """Whether the server took the default."""
    on = {
        "database": f"database {place.name}",
        "role": "role op",
        "role in database": f"role op in database {place.name}",
    }
    values = sql.SQL(", ").join([sql.Literal(part) for part in value.split(", ")])
    with psycopg.connect(place.cluster.dsn(), autocommit=True) as superuser:
        try:
            superuser.execute(sql.SQL("alter {} set {} = {}").format(sql.SQL(on[level]), sql.Identifier(name), values))
        except _NOT_TAKEN:
            return False
    return True


def lives_through(place: Place) -> None:
    """Plan, grant, verify, tick and delete, with nothing of evil called."""
    planned = place.answer(replace(WANTED, dry=True))
    granted = place.answer(WANTED)
    verified = place.answer(replace(WANTED, ledger=granted.ledger))
    gone = place.answer(GrantWant(NOTHING, granted.ledger))

    assert [one.problems for one in (planned, granted, verified, gone)] == [()] * 4
    assert (planned.planned, granted.executed, verified.executed) == (GRANTED, GRANTED, ())
    assert sorted(gone.executed) == sorted(REVOKED)
    assert place.acl("app.orders") == []
    assert place.value("select array_agg(name) from evil.called") is None


@pytest.mark.parametrize(("level", "name"), list(itertools.product(LEVELS, HOSTILE)))
def test_a_hostile_default_moves_nothing(
    hostile: Callable[[str, str, str], Place | None], level: str, name: str
) -> None:
    place = hostile(level, name, HOSTILE[name])

    if place is None:
        assert name == "transaction_timeout"  # the one that not every version has
        return
    lives_through(place)


TEXTS = {
    "DateStyle": "SQL, DMY",
    "TimeZone": "Asia/Tokyo",
    "createrole_self_grant": "set, inherit",
    "default_text_search_config": "pg_catalog.english",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "timezone_abbreviations": "India",
}
"""Values of settings that are texts."""

FIXED = ("application_name", "role", "session_authorization", "transaction_timeout")
"""Settings that others cannot give a default to where it would count, or that have a test of their own."""


def extremes(place: Place, *, high: bool) -> dict[str, str]:
    """Of every setting that anybody may set, the value farthest from its usual one, on one side."""
    found: dict[str, str] = {}
    with psycopg.connect(place.cluster.dsn(None, place.name)) as superuser:
        rows = superuser.execute(
            "select name, vartype, boot_val, min_val, max_val, enumvals from pg_settings"
            " where context = 'user' and name <> all(%s)",
            (list(FIXED),),
        ).fetchall()
    for name, kind, usual, low, most, words in rows:
        if kind == "bool":
            found[name] = "off" if usual == "on" else "on"
        elif kind == "enum":
            others = [word for word in words if word != usual]
            found[name] = (others or words)[-1 if high else 0]
        elif kind in ("integer", "real"):
            found[name] = most if high else low
        elif name in TEXTS or name in HOSTILE:
            found[name] = TEXTS.get(name) or HOSTILE[name]
    return found


@pytest.mark.parametrize("high", [True, False])
@pytest.mark.parametrize("level", LEVELS)
def test_every_setting_at_its_extreme_moves_nothing(setting: Setting, level: str, high: bool) -> None:
    place = setting.place()
    place.sql(SHADOWS)
    try:
        given = {name: give(place, level, name, value) for name, value in extremes(place, high=high).items()}

        assert len([name for name, taken in given.items() if taken]) > 100
        assert {name for name in EVERY if name not in given} <= set(FIXED) | {
            "default_table_access_method",
            "default_tablespace",
            "temp_tablespaces",
        }
        lives_through(place)
    finally:
        place.sql("alter role op reset all; revoke stranger from op")


def test_without_the_guard_the_hostile_defaults_do_act(setting: Setting) -> None:
    """The test's own test: a plain session of the operator's login is moved by what passes are not moved by."""
    place = setting.place()
    place.sql(SHADOWS)
    give(place, "database", "search_path", HOSTILE["search_path"])

    place.sql("select set_config('jit', 'off', true), 'a'::name = 'b'::name", "op")

    assert set(place.value("select array_agg(name) from evil.called")) >= {"set_config", "="}
    place.sql("revoke stranger from op")
