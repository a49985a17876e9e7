"""What the operator cannot do, must not do, or is kept from doing, on a real PostgreSQL."""

from dataclasses import replace

import psycopg
import pytest

from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import granted
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import CLOUD_SQL, Place, Setting
from support.granting.wording import NOTHING, caused, key, on_database, on_schema, table, want


def reasons(answer: GrantAnswer) -> list[Reason]:
    return [problem.reason for problem in answer.problems]


def test_a_table_of_an_owner_out_of_reach_is_reported_and_the_others_are_granted(place: Place) -> None:
    place.sql("create table app.alien (); alter table app.alien owner to stranger")

    answer = place.answer(want(table("SELECT")))

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."items", "app"."orders" TO "x"',)
    assert reasons(answer) == [Reason.UNREACHABLE_OWNER]
    assert "'stranger'" in answer.problems[0].message
    assert (answer.observed.desired, answer.observed.held, answer.observed.unreachable) == (3, 2, 1)


def test_an_owner_that_is_not_named_in_owner_roles_is_not_acted_as(setting: Setting) -> None:
    place = setting.place(owner_roles=())

    answer = place.answer(want(table("SELECT")))

    # Whose rights the operator has anyway, it need not act as.
    assert reasons(answer) == ([] if setting.ground is CLOUD_SQL else [Reason.UNREACHABLE_OWNER])
    assert not [text for text in place.sent() if "role" in text.lower()]


def test_what_a_delegate_granted_stays_after_the_owner_revoked(place: Place) -> None:
    place.sql("set role app_owner; grant usage on schema app to d; grant select on app.orders to d with grant option")
    first = place.answer(want(table("SELECT", names=("orders",))))
    place.sql("set role d; grant select on app.orders to x")

    answer = place.answer(GrantWant(NOTHING, first.ledger))

    assert answer.executed == ('REVOKE SELECT ON TABLE "app"."orders" FROM "x"',)
    assert place.acl("app.orders") == ["d=r*/app_owner", "x=r/d"]
    assert (answer.problems, answer.ledger) == ((), frozenset())


def test_exclusive_revokes_as_the_delegate_when_it_may(setting: Setting) -> None:
    place = setting.place(owner_roles=("app_owner", "d"))
    place.sql("grant d to op; set role app_owner; grant usage on schema app to d")
    place.sql("set role app_owner; grant select on app.orders to d with grant option")
    place.sql("set role d; grant select on app.orders to x")

    answer = place.answer(want(on_schema("USAGE"), how=Enforcement.EXCLUSIVE))

    assert answer.problems == ()
    assert place.acl("app.orders") == ["d=r*/app_owner"]
    place.sql("revoke d from op")


def test_exclusive_is_blocked_by_a_delegate_out_of_reach_and_does_not_loop(place: Place) -> None:
    place.sql(
        "set role app_owner; grant usage on schema app to d, x; grant select on app.orders to d with grant option"
    )
    place.sql("set role d; grant select on app.orders to x")
    wanted = want(on_schema("USAGE"), how=Enforcement.EXCLUSIVE)

    first = place.answer(wanted)
    second = place.answer(wanted)

    assert reasons(first) == reasons(second) == [Reason.REVOKE_BLOCKED]
    assert "'d'" in first.problems[0].message
    assert place.sent() == []


def test_a_grant_option_that_others_used_blocks_its_revoke_and_nothing_cascades(place: Place) -> None:
    place.sql("set role app_owner; grant usage on schema app to d; grant select on app.orders to d with grant option")
    place.sql("set role d; grant select on app.orders to y")

    answer = place.answer(GrantWant(NOTHING, caused(table("SELECT", to=("d",), names=("orders",)))))

    assert reasons(answer) == [Reason.REVOKE_BLOCKED]
    assert place.acl("app.orders") == ["d=r*/app_owner", "y=r/d"]
    assert granted(answer.ledger) == caused(table("SELECT", to=("d",), names=("orders",)))


def test_an_owner_needs_no_grant_on_what_it_owns(place: Place) -> None:
    answer = place.answer(want(table("SELECT", to=("app_owner",))))

    assert (answer.executed, answer.problems) == ((), ())
    assert (answer.observed.desired, answer.observed.held) == (2, 2)


@pytest.mark.parametrize(
    "role", ["public", "PUBLIC", " public ", "none", "postgres", "cloudsqlsuperuser", "pg_monitor"]
)
def test_everybody_and_the_providers_roles_are_no_grantees(place: Place, role: str) -> None:
    answer = place.answer(want(table("SELECT", to=(role,))))

    assert reasons(answer) == [Reason.ROLE_NOT_ALLOWED]
    assert place.acl("app.orders") == []


def test_the_operators_own_role_and_those_with_powers_are_no_grantees(place: Place) -> None:
    place.sql("create role boss createrole; create role helper; grant boss to helper")

    answer = place.answer(want(table("SELECT", to=("op", "boss", "helper", "x"))))

    assert reasons(answer) == [Reason.ROLE_NOT_ALLOWED] * 3
    assert "helper is a member of boss" in answer.problems[2].message
    assert place.acl("app.orders") == ["x=r/app_owner"]
    place.sql("drop role helper; drop role boss")


def test_membership_in_a_role_that_reaches_a_powerful_one_is_refused_with_the_path(place: Place) -> None:
    place.sql("create role cloudsqlagent createrole; create role team_admin; grant cloudsqlagent to team_admin")

    answer = place.answer(want(RoleEntry("team_admin", ("x",)), RoleEntry("pg_read_all_data", ("x",))))

    assert reasons(answer) == [Reason.ROLE_NOT_ALLOWED] * 2
    assert "team_admin is a member of cloudsqlagent" in answer.problems[0].message
    assert place.sent() == []
    place.sql("drop role team_admin; drop role cloudsqlagent")


def test_system_schemas_are_refused(place: Place) -> None:
    answer = place.answer(want(table("SELECT", names=("pg_authid",), schema="pg_catalog")))

    assert reasons(answer) == [Reason.SCHEMA_NOT_ALLOWED]


def test_hostile_role_names_are_quoted(place: Place) -> None:
    hostile = 'x"; DROP TABLE app.orders; --'
    place.sql('create role "x""; DROP TABLE app.orders; --"')

    answer = place.answer(want(table("SELECT", to=(hostile,), names=("orders",))))

    assert answer.executed == ('GRANT SELECT ON TABLE "app"."orders" TO "x""; DROP TABLE app.orders; --"',)
    assert place.acl("app.orders") == ['"x""; DROP TABLE app.orders; --"=r/app_owner']
    place.sql('drop owned by "x""; DROP TABLE app.orders; --"; drop role "x""; DROP TABLE app.orders; --"')


def test_an_event_trigger_that_vetoes_is_reported_with_its_words_and_not_asked_again(place: Place) -> None:
    place.sql(
        """create function public.veto() returns event_trigger language plpgsql
        as $$ begin raise exception 'no grants on fridays'; end $$;
        create event trigger veto on ddl_command_end when tag in ('GRANT') execute function public.veto()"""
    )
    only = key("a")
    wanted = want(table("SELECT", names=("orders",)))

    first = place.run({only: wanted})
    sent = len(place.sent())
    second = place.run({only: wanted}, memory=first.memory)

    answer, again = first.answers[only], second.answers[only]
    assert isinstance(answer, GrantAnswer)
    assert reasons(answer) == [Reason.NOT_CONVERGING]
    assert "no grants on fridays" in answer.problems[0].message
    assert isinstance(again, GrantAnswer)
    assert again.problems == answer.problems
    assert len(place.sent()) == sent


def test_one_object_that_fails_does_not_stop_the_others(place: Place) -> None:
    place.sql(
        """create function public.veto() returns event_trigger language plpgsql as $$
        begin
            if has_table_privilege('x', 'app.items', 'SELECT') then raise exception 'not the items'; end if;
        end $$;
        create event trigger veto on ddl_command_end when tag in ('GRANT') execute function public.veto()"""
    )

    passed = place.run({key("a"): want(table("SELECT")), key("b"): want(table("SELECT", to=("y",)))})

    bad, good = passed.answers[key("a")], passed.answers[key("b")]
    assert isinstance(bad, GrantAnswer)
    assert isinstance(good, GrantAnswer)
    assert place.acl("app.orders") == ["x=r/app_owner", "y=r/app_owner"]
    assert place.acl("app.items") == ["y=r/app_owner"]
    assert reasons(bad) == [Reason.NOT_CONVERGING]
    assert good.problems == ()


def test_a_privilege_that_the_database_owner_alone_may_give_needs_its_role(place: Place) -> None:
    answer = place.answer(want(on_database("CONNECT")))

    assert answer.executed == (f'GRANT CONNECT ON DATABASE "{place.name}" TO "x"',)


def test_a_role_that_cannot_be_taken_is_named(place: Place) -> None:
    access = replace(place.access(), set_role="stranger", user="op")

    told = r"SET ROLE 'stranger' failed.*have somebody run: GRANT \"stranger\" TO \"op\";"
    with pytest.raises(NotYet, match=told) as caught:
        run_pass(access, place.name, {key("a"): want(table("SELECT"))}, {}, None)

    assert caught.value.reason is Reason.SET_ROLE_FAILED


def test_a_login_that_fails_is_told_from_a_server_that_is_away(place: Place) -> None:
    def refused(database: str) -> psycopg.Connection[tuple[object, ...]]:
        raise NotYet(Reason.DATABASE_LOGIN_FAILED, f"login to {database} failed")

    with pytest.raises(NotYet) as caught:
        run_pass(replace(place.access(), connect=refused), place.name, {key("a"): want(table("SELECT"))}, {}, None)

    assert caught.value.reason is Reason.DATABASE_LOGIN_FAILED


def test_an_owner_that_may_not_look_into_the_schema_is_named_with_what_it_lacks(setting: Setting, place: Place) -> None:
    """A table that was given to an owner without USAGE: nothing is granted or revoked in a schema one cannot see."""
    granted = place.answer(want(table("SELECT", names=("items",))))
    place.sql("alter schema app owner to stranger; revoke all on schema app from app_owner")

    answer = place.answer(GrantWant(NOTHING, granted.ledger))

    acting = "" if setting.ground is CLOUD_SQL else " as app_owner"
    assert [(problem.reason, problem.message) for problem in answer.problems] == [
        (
            Reason.SQL_PERMISSION_DENIED,
            f'REVOKE SELECT ON TABLE "app"."items" FROM "x" failed{acting}: permission denied for schema app',
        )
    ]
    assert answer.ledger == granted.ledger
