"""What a user owns when it is to be deleted, on a real PostgreSQL: told by database, or given to another role."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.adapters.postgres.owning.dependents import named, places_of
from cloudsql_iam_operator.adapters.postgres.owning.handing_over import Handover, hand_over
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place

LEAVER = """
create role leaver login;
grant create on schema app to leaver;
set role leaver;
create table app.ledger (id integer);
create function app.tax() returns integer language sql as 'select 1';
alter default privileges in schema app grant select on tables to y with grant option;
alter default privileges grant select on tables to public;
alter default privileges grant usage on schemas to y;
alter default privileges revoke execute on functions from public;
alter default privileges in schema app grant update on tables to leaver;
reset role;
"""
HANDOVER = Handover("leaver", "app_owner")


@pytest.fixture
def leaver(place: Place) -> Iterator[Place]:
    """A user that owns things in two databases, and that the operator may make itself a member of."""
    place.sql(LEAVER)
    place.sql("grant leaver to op with admin option" + (", inherit false, set false" if place.version >= 16 else ""))
    if place.version < 16:
        place.sql("revoke leaver from op; alter role op createrole")
    yield place
    place.sql("alter role op nocreaterole; drop owned by leaver; drop role leaver")
    place.sql("alter default privileges for role app_owner in schema app revoke all on tables from y")
    place.sql("alter default privileges for role app_owner revoke all on tables from public")
    place.sql("alter default privileges for role app_owner revoke all on schemas from y")


def owned(place: Place) -> list[str]:
    found = place.value(
        "select array(select pg_describe_object(classid, objid, objsubid) from pg_shdepend "
        "where refobjid = 'leaver'::regrole and deptype = 'o' and dbid = "
        "(select oid from pg_database where datname = current_database()) order by 1)"
    )
    assert isinstance(found, list)
    return found


def memberships(place: Place) -> int:
    found = place.value(
        "select count(*) from pg_auth_members where roleid in ('leaver'::regrole, 'app_owner'::regrole)"
    )
    assert isinstance(found, int)
    return found


def test_what_stands_in_the_way_is_told_by_database_what_is_owned_first(leaver: Place) -> None:
    (place,) = [one for one in places_of(leaver.access(), "postgres", "leaver") if one.database == leaver.name]

    told = named(leaver.access(), place.database, place, "leaver", 2)
    all_of_it = named(leaver.access(), place.database, place, "leaver", 20)

    assert (len(told.named), told.count) == (2, len(all_of_it.named))
    assert "table app.ledger (owned)" in all_of_it.named
    assert "schema app (privileges)" in all_of_it.named
    assert [text.endswith("(owned)") for text in all_of_it.named] == [True] * (place.count - 1) + [False]


def test_a_database_that_lets_nobody_in_is_told_with_its_number(leaver: Place) -> None:
    (place,) = [one for one in places_of(leaver.access(), "postgres", "leaver") if one.database == leaver.name]
    leaver.sql(f"revoke cloudsqlsuperuser from op; revoke connect on database {leaver.name} from public")

    told = named(leaver.access(), place.database, place, "leaver", 20)

    leaver.sql(f"grant cloudsqlsuperuser to op; grant connect on database {leaver.name} to public")
    assert told.count == place.count
    assert "grant it CONNECT" in told.why


def test_all_that_it_owns_is_the_heirs_with_its_default_privileges_and_no_membership_is_left(leaver: Place) -> None:
    before = memberships(leaver)

    hand_over(leaver.access(), leaver.name, HANDOVER)

    assert owned(leaver) == []
    assert memberships(leaver) == before
    assert leaver.value("select tableowner from pg_tables where tablename = 'ledger'") == "app_owner"
    leaver.sql("set role app_owner; create table app.later (id integer)")
    assert "y=r*/app_owner" in leaver.acl("app.later")
    assert leaver.value("select has_table_privilege('stranger', 'app.later', 'SELECT')")
    leaver.sql("set role app_owner; create function app.duty() returns integer language sql as 'select 1'")
    assert leaver.value("select has_function_privilege('x', 'app.duty()', 'EXECUTE')")


def test_what_others_granted_to_it_stays_for_them_to_revoke(leaver: Place) -> None:
    hand_over(leaver.access(), leaver.name, HANDOVER)

    left = places_of(leaver.access(), "postgres", "leaver")

    assert [(one.database, one.count) for one in left if one.database] == [(leaver.name, 1)]


def test_a_second_time_there_is_nothing_to_do(leaver: Place) -> None:
    hand_over(leaver.access(), leaver.name, HANDOVER)
    before = memberships(leaver)

    hand_over(leaver.access(), leaver.name, HANDOVER)

    assert (owned(leaver), memberships(leaver)) == ([], before)


def refused(place: Place, handover: Handover = HANDOVER) -> NotYet:
    with pytest.raises(NotYet) as caught:
        hand_over(place.access(), place.name, handover)
    return caught.value


def test_an_operator_that_may_not_act_as_the_user_changes_nothing_and_says_what_helps(leaver: Place) -> None:
    leaver.sql("revoke leaver from op; alter role op nocreaterole")
    before = (owned(leaver), memberships(leaver))

    failure = refused(leaver)

    assert failure.reason is Reason.SQL_PERMISSION_DENIED
    assert 'REASSIGN OWNED BY "leaver" TO "app_owner";' in failure.message
    assert (owned(leaver), memberships(leaver)) == before


@pytest.mark.parametrize("kind", ["schema", "database"])
def test_an_heir_that_may_not_create_where_it_is_to_own_is_told_with_the_grant_that_helps(
    leaver: Place, kind: str
) -> None:
    leaver.sql("grant stranger to op")
    if kind == "database":
        leaver.sql(f"grant create on schema app to stranger; grant create on database {leaver.name} to leaver")
        leaver.sql("set role leaver; create publication news; reset role")

    failure = refused(leaver, Handover("leaver", "stranger"))

    name = "app" if kind == "schema" else leaver.name
    assert failure.message.endswith(f'GRANT CREATE ON {kind.upper()} "{name}" TO "stranger";')
    leaver.sql(f'GRANT CREATE ON {kind.upper()} "{name}" TO "stranger"')
    hand_over(leaver.access(), leaver.name, Handover("leaver", "stranger"))
    assert owned(leaver) == []
    leaver.sql("drop owned by stranger cascade; revoke stranger from op")


def test_an_operator_that_logs_in_with_iam_is_told_the_command_that_makes_it_a_member(leaver: Place) -> None:
    leaver.sql("revoke leaver from op; alter role op nocreaterole")
    leaver.sql('create role "op@acme-prod.iam" login; grant app_owner to "op@acme-prod.iam"')
    access = leaver.access()
    name = "acme.com:acme-prod:europe-west1:orders"
    connect = plain(lambda database: leaver.cluster.dsn("op@acme-prod.iam", database))
    of_iam = replace(access, connect=connect, place=name)

    with pytest.raises(NotYet) as caught:
        hand_over(of_iam, leaver.name, HANDOVER)

    leaver.sql('drop role "op@acme-prod.iam"')
    assert "op@acme-prod.iam is no member of leaver and may not become one" in caught.value.message
    assert caught.value.message.endswith(
        "gcloud sql users assign-roles op@acme-prod.iam --instance=orders --project=acme.com:acme-prod "
        "--type=CLOUD_IAM_SERVICE_ACCOUNT --database-roles=leaver"
    )


def test_a_login_that_is_a_member_of_both_acts_as_itself_where_the_role_it_takes_is_not(leaver: Place) -> None:
    leaver.sql("revoke leaver from op; alter role op nocreaterole; create role taken; grant taken to op")
    leaver.sql("grant leaver to op")

    hand_over(replace(leaver.access(), set_role="taken"), leaver.name, HANDOVER)

    leaver.sql("drop role taken")
    assert owned(leaver) == []


def test_an_heir_that_does_not_exist_is_named(leaver: Place) -> None:
    failure = refused(leaver, Handover("leaver", "nobody"))

    assert (failure.reason, "'nobody'" in failure.message) == (Reason.ROLE_NOT_FOUND, True)
    assert len(owned(leaver)) > 0


def test_code_that_others_would_have_run_as_the_operator_stops_it(leaver: Place) -> None:
    leaver.sql(
        "create function public.spy() returns event_trigger language plpgsql as 'begin end'; "
        "alter function public.spy() owner to stranger; "
        "create event trigger spying on ddl_command_end execute function public.spy()"
    )

    failure = refused(leaver)

    leaver.sql("drop event trigger spying; drop function public.spy()")
    assert failure.reason is Reason.EVENT_TRIGGER_NOT_TRUSTED
    assert len(owned(leaver)) > 0


def test_somebody_elses_lock_is_not_waited_for_long_and_nothing_is_changed(leaver: Place) -> None:
    with psycopg.connect(leaver.cluster.dsn(None, leaver.name)) as busy:
        busy.execute("lock table app.ledger in access share mode")

        failure = refused(leaver)

    assert failure.reason is Reason.DELETION_BLOCKED
    assert "table app.ledger" in " ".join(owned(leaver))


@pytest.mark.parametrize("name", ['we"ird', "a; drop role op", "ümläut", "select"])
def test_names_are_names_and_nothing_else(place: Place, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    place.sql(f"create role {quoted}; create table app.odd (id integer); alter table app.odd owner to {quoted}")
    place.sql(f"grant {quoted} to op")

    hand_over(place.access(), place.name, Handover(name, "app_owner"))

    assert place.value("select tableowner from pg_tables where tablename = 'odd'") == "app_owner"
    place.sql(f"drop role {quoted}")
