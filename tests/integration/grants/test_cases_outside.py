"""Grants on what is in no schema, and revokes from PUBLIC, on a real PostgreSQL."""

from collections.abc import Iterator

import pytest

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.residual import Residual
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, want

OBJECTS = """
create foreign data wrapper wrap;
create server far foreign data wrapper wrap;
create trusted language "odd Lang" handler plpgsql_call_handler;
alter foreign data wrapper wrap owner to boss;
alter server far owner to boss;
alter language "odd Lang" owner to boss;
select lo_create(4242);
alter large object 4242 owner to app_owner;
"""

PARAMETERS_SINCE = 15
NO_PARAMETERS = "PostgreSQL 14 has no SET for Parameter: take it out"


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    with Setting() as running:
        running.place().sql("create role boss superuser; grant boss, postgres to op")
        yield running


@pytest.fixture
def place(setting: Setting) -> Place:
    made = setting.place(owner_roles=("app_owner", "boss", "postgres"))
    made.sql(OBJECTS)
    return made


def named(kind: ObjectKind, name: str, *privileges: str) -> Entry:
    return Entry(kind, ("x",), privileges, names=(name,))


@pytest.mark.parametrize(
    ("entry", "granted", "revoked"),
    [
        (
            named(ObjectKind.FOREIGN_SERVER, "far", "USAGE"),
            'GRANT USAGE ON FOREIGN SERVER "far" TO "x"',
            'REVOKE USAGE ON FOREIGN SERVER "far" FROM "x"',
        ),
        (
            named(ObjectKind.FOREIGN_DATA_WRAPPER, "wrap", "USAGE"),
            'GRANT USAGE ON FOREIGN DATA WRAPPER "wrap" TO "x"',
            'REVOKE USAGE ON FOREIGN DATA WRAPPER "wrap" FROM "x"',
        ),
        (
            named(ObjectKind.LANGUAGE, "odd Lang", "USAGE"),
            'GRANT USAGE ON LANGUAGE "odd Lang" TO "x"',
            'REVOKE USAGE ON LANGUAGE "odd Lang" FROM "x"',
        ),
        (
            named(ObjectKind.LARGE_OBJECT, "4242", "SELECT"),
            'GRANT SELECT ON LARGE OBJECT 4242 TO "x"',
            'REVOKE SELECT ON LARGE OBJECT 4242 FROM "x"',
        ),
    ],
)
def test_objects_in_no_schema_are_granted_kept_and_taken_back(
    place: Place, entry: Entry, granted: str, revoked: str
) -> None:
    first = place.answer(want(entry))
    second = place.answer(want(entry))
    third = place.answer(GrantWant(NOTHING, caused(entry)))

    assert (first.problems, first.executed) == ((), (granted,))
    assert (second.problems, second.executed) == ((), ())
    assert (third.problems, third.executed, third.ledger) == ((), (revoked,), frozenset())


def test_a_missing_object_in_no_schema_is_named(place: Place) -> None:
    answer = place.answer(want(named(ObjectKind.FOREIGN_SERVER, "near", "USAGE")))

    assert [problem.reason for problem in answer.problems] == [Reason.OBJECT_NOT_FOUND]
    assert answer.problems[0].message == f"ForeignServer near does not exist in database {place.name!r}"


def test_what_public_holds_is_taken_once_and_stays_taken(place: Place) -> None:
    place.sql(f"grant connect on database {place.name} to op")
    wanted = GrantWant(
        Entries(
            public=(
                Entry(ObjectKind.DATABASE, (), ("CONNECT", "TEMPORARY")),
                Entry(ObjectKind.ROUTINE, (), ("EXECUTE",), "app", ("f(integer)",)),
            )
        )
    )

    first = place.answer(wanted)
    second = place.answer(wanted)

    assert sorted(first.executed) == [
        'REVOKE EXECUTE ON FUNCTION "app"."f"("pg_catalog"."int4") FROM PUBLIC',
        f'REVOKE TEMPORARY, CONNECT ON DATABASE "{place.name}" FROM PUBLIC',
    ]
    assert (first.problems, first.ledger) == ((), frozenset())
    assert (second.problems, second.executed) == ((), ())
    assert place.value("select has_function_privilege('x', 'app.f(text)', 'EXECUTE')")


def test_what_was_taken_from_public_is_not_given_back_when_it_is_narrowed_or_deleted(place: Place) -> None:
    place.sql(f"grant connect on database {place.name} to op")
    on_f = Entry(ObjectKind.ROUTINE, (), ("EXECUTE",), "app", ("f(integer)",))
    first = place.answer(GrantWant(Entries(public=(Entry(ObjectKind.DATABASE, (), ("CONNECT",)), on_f))))
    assert len(first.executed) == 2

    narrowed = place.answer(GrantWant(Entries(public=(on_f,)), first.ledger))
    deleted = place.answer(GrantWant(Entries(), narrowed.ledger))

    assert (narrowed.executed, deleted.executed, deleted.ledger) == ((), (), frozenset())
    assert not place.value(f"select has_database_privilege('x', '{place.name}', 'CONNECT')")
    assert not place.value("select has_function_privilege('x', 'app.f(integer)', 'EXECUTE')")


def test_settings_and_tablespaces_are_granted_and_kept(place: Place) -> None:
    wanted = want(
        named(ObjectKind.PARAMETER, "log_min_messages", "SET"), named(ObjectKind.TABLESPACE, "pg_default", "CREATE")
    )

    first = place.answer(wanted)
    second = place.answer(wanted)

    settings = ['GRANT SET ON PARAMETER "log_min_messages" TO "x"'] if place.version >= PARAMETERS_SINCE else []
    problems = [] if place.version >= PARAMETERS_SINCE else [NO_PARAMETERS]
    assert sorted(first.executed) == ['GRANT CREATE ON TABLESPACE "pg_default" TO "x"', *settings]
    assert ([problem.message for problem in second.problems], second.executed) == (problems, ())


def test_a_setting_of_an_owner_out_of_reach_is_reported(setting: Setting) -> None:
    place = setting.place()

    answer = place.answer(want(named(ObjectKind.PARAMETER, "work_mem", "SET")))

    reason = Reason.UNREACHABLE_OWNER if place.version >= PARAMETERS_SINCE else Reason.INVALID_SPEC
    assert [problem.reason for problem in answer.problems] == [reason]
    assert place.sent() == []


def test_the_operator_does_not_shut_itself_out(place: Place) -> None:
    answer = place.answer(GrantWant(Entries(public=(Entry(ObjectKind.DATABASE, (), ("CONNECT",)),))))

    assert [problem.reason for problem in answer.problems] == [Reason.SQL_PERMISSION_DENIED]
    assert place.sent() == []


def test_exclusive_says_in_every_pass_what_public_lets_through(place: Place) -> None:
    wanted = want(Entry(ObjectKind.ROUTINE, ("x",), ("EXECUTE",), "app", ("f(integer)",)), how=Enforcement.EXCLUSIVE)

    first, second = place.answer(wanted), place.answer(wanted)

    through_public = [r for r in second.residual if r.privilege == "EXECUTE"]
    assert through_public == [Residual("x", "EXECUTE", "PUBLIC", 2)]
    assert first.residual == second.residual
