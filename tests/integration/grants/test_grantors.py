"""In whose name something is taken back: the grantor that PostgreSQL will use, or a word about who it is."""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from cloudsql_iam_operator.adapters.postgres.apply import Applier, Writer
from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.adapters.postgres.session import Limits
from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.statements import MembershipStatement, Transaction
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entry, RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.setting import Place, Setting
from support.granting.wording import NOTHING, caused, key, on_schema, table, want

ORDERS = table("SELECT", names=("orders",))
READER = RoleEntry("reader", ("x",))


class Inheriting:
    """A login that inherits the roles it is a member of, as those of Cloud SQL do, in the operator's place."""

    def __init__(self, place: Place, *roles: str) -> None:
        self.place = place
        place.sql("create role heir login inherit; " + "".join(f"grant {role} to heir;" for role in roles))

    def answer(self, wanted: GrantWant) -> GrantAnswer:
        access = replace(self.place.access(), connect=plain(lambda name: self.place.cluster.dsn("heir", name)))
        only: Key = key("only")
        answer = run_pass(access, self.place.name, {only: wanted}, {}, None).answers[only]
        assert isinstance(answer, GrantAnswer), answer
        return answer


@pytest.fixture
def delegated(place: Place) -> Iterator[Place]:
    """With a grant on a table that role d gave x by its grant option."""
    place.sql("set role app_owner; grant usage on schema app to d, x")
    place.sql("set role app_owner; grant select on app.orders to d with grant option")
    place.sql("set role d; grant select on app.orders to x")
    yield place
    without_heir(place)


def without_heir(place: Place) -> None:
    if place.value("select to_regrole('heir') is not null"):
        place.sql("drop owned by heir; drop role heir")


def sweeping(*entries: Entry) -> GrantWant:
    return want(*entries, how=Enforcement.EXCLUSIVE)


def reasons(answer: GrantAnswer) -> list[Reason]:
    return [problem.reason for problem in answer.problems]


def test_what_an_inherited_role_gave_is_taken_back_as_that_role(delegated: Place) -> None:
    heir = Inheriting(delegated, "app_owner", "d")

    answer = heir.answer(sweeping(on_schema("USAGE")))

    assert (answer.problems, delegated.acl("app.orders")) == ((), ["d=r*/app_owner"])


def test_what_an_inherited_role_gave_stays_when_the_owners_is_taken_back(delegated: Place) -> None:
    heir = Inheriting(delegated, "app_owner", "d")
    given = heir.answer(want(ORDERS))
    assert delegated.acl("app.orders") == ["d=r*/app_owner", "x=r/d"], "it is held already"

    gone = heir.answer(GrantWant(NOTHING, given.ledger))

    assert (gone.problems, gone.ledger, delegated.acl("app.orders")) == ((), frozenset(), ["d=r*/app_owner", "x=r/d"])


def test_a_grantor_that_cannot_be_is_named_with_who_holds_its_gifts(delegated: Place) -> None:
    answer = delegated.answer(sweeping(on_schema("USAGE")))

    assert reasons(answer) == [Reason.REVOKE_BLOCKED]
    assert "privileges that role 'd' granted to x cannot be revoked" in answer.problems[0].message
    assert delegated.sent() == [], "and nothing is tried in vain"


def test_a_grantor_that_has_the_owners_rights_is_no_grantor_to_postgresql(delegated: Place) -> None:
    """Whoever acts as d, PostgreSQL revokes as the owner, and leaves what d gave."""
    delegated.sql("grant app_owner to d")
    heir = Inheriting(delegated, "app_owner", "d")

    answer = heir.answer(sweeping(on_schema("USAGE")))

    assert reasons(answer) == [Reason.REVOKE_BLOCKED]
    delegated.sql("revoke app_owner from d")


def test_who_has_it_from_the_loser_is_named(place: Place) -> None:
    optional = replace(ORDERS, option=True)
    given = place.answer(want(optional))
    place.sql("grant usage on schema app to x; set role x; grant select on app.orders to y")

    answer = place.answer(GrantWant(NOTHING, given.ledger))

    assert reasons(answer) == [Reason.REVOKE_BLOCKED]
    assert "y has it from x: that is to be revoked first" in answer.problems[0].message
    place.sql("set role x; revoke select on app.orders from y")
    assert place.answer(GrantWant(NOTHING, answer.ledger)).ledger == frozenset()


@pytest.fixture
def admins(setting: Setting) -> Iterator[Place]:
    """With a role `reader` that `boss` may pass on, and did."""
    place = setting.place()
    place.sql("create role reader; create role boss; grant reader to boss with admin option")
    place.sql("set role boss; grant reader to x")
    yield place
    without_heir(place)
    place.sql("drop role reader, boss")


def members(place: Place) -> list[str]:
    found: list[str] = place.value(
        "select array(select m.member::regrole || ' by ' || m.grantor::regrole from pg_auth_members m "
        "join pg_roles r on r.oid = m.member where m.roleid = 'reader'::regrole and r.rolname = 'x')"
    )
    return found


def test_a_membership_that_another_role_granted_is_left_on_deletion(admins: Place) -> None:
    heir = Inheriting(admins, "boss")
    admins.sql("grant reader to heir with admin option")
    assert heir.answer(want(READER)).executed == (), "it is there already"

    gone = heir.answer(GrantWant(NOTHING, caused(READER)))

    # Before PostgreSQL 16 a membership is one, whoever granted it.
    left = ["x by boss"] if admins.version >= 16 else []
    assert (gone.problems, gone.ledger, members(admins)) == ((), frozenset(), left)


def test_a_membership_that_the_operator_gave_through_a_role_is_taken_back_in_its_name(admins: Place) -> None:
    admins.sql("set role boss; revoke reader from x")
    heir = Inheriting(admins, "boss")
    given = heir.answer(want(READER))
    assert len(members(admins)) == 1

    gone = heir.answer(GrantWant(NOTHING, given.ledger))

    assert (gone.problems, gone.ledger, members(admins)) == ((), frozenset(), [])


def test_a_role_whose_rights_are_enough_to_name_it_need_not_be_taken(admins: Place) -> None:
    admins.sql("set role boss; revoke reader from x")
    heir = Inheriting(admins, "boss")
    by_name = admins.version >= 16
    admins.sql("grant boss to heir with set false" if by_name else "")
    given = heir.answer(want(READER))

    gone = heir.answer(GrantWant(NOTHING, given.ledger))

    assert (gone.problems, members(admins)) == ((), [])
    assert gone.executed == ('REVOKE "reader" FROM "x"' + (' GRANTED BY "boss"' if by_name else ""),)


def test_a_warning_that_a_membership_is_anothers_is_no_success(place: Place) -> None:
    """Without a number of its own: only where in the server it comes from tells it from those of event triggers."""
    place.sql("create role reader; grant reader to op with admin option")
    with psycopg.connect(place.cluster.dsn("op", place.name), autocommit=True) as connection:
        applier = Applier(connection, Writer("", lambda: None, Limits(), False, "here"))
        revoke = MembershipStatement(False, "reader", ("x",))
        outcome = applier.apply([Transaction("", (revoke,))])

    assert [refusal.reason for refusal in outcome.refused] == [Reason.REVOKE_BLOCKED]
    place.sql("drop role reader")


def test_a_warning_of_an_event_trigger_is_none_of_ours(place: Place) -> None:
    place.sql(
        """create function public.warn() returns event_trigger language plpgsql
        as $$ begin raise warning 'somebody granted something'; end $$;
        create event trigger warn on ddl_command_end when tag in ('GRANT', 'REVOKE') execute function public.warn()"""
    )

    answer = place.answer(want(Entry(ObjectKind.TABLE, ("x",), ("SELECT",), "app", ("*",))))

    assert (answer.problems, answer.observed.missing) == ((), 0)
