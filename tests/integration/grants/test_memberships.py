"""What several objects say about one membership, its admin option, and outsiders, on a real PostgreSQL."""

from cloudsql_iam_operator.core.grants.decided.counts import Observed
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import RoleEntry
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Passed
from support.granting.setting import Place
from support.granting.wording import NOTHING, caused, key, want

CLUB = "drop role if exists club; create role club; grant club to op with admin option"


def said(passed: Passed, name: str) -> GrantAnswer:
    answer = passed.answers[key(name)]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def test_memberships_with_different_options_are_refused_on_both_and_neither_is_granted(place: Place) -> None:
    place.sql(CLUB)
    a, b = RoleEntry("club", ("x",), admin=True), RoleEntry("club", ("x",), admin=False)

    passed = place.run({key("a"): want(a), key("b"): want(b)})

    for name in "ab":
        assert [problem.reason for problem in said(passed, name).problems] == [Reason.CONFLICTING_GRANT]
    assert place.sent() == []
    place.sql("drop role club")


def test_the_right_to_pass_a_role_on_is_taken_when_it_is_not_declared_any_more(place: Place) -> None:
    place.sql(CLUB)
    with_admin, plain = RoleEntry("club", ("x",), admin=True), RoleEntry("club", ("x",), admin=False)
    first = place.answer(want(with_admin))

    second = place.answer(want(plain, ledger=first.ledger))
    third = place.answer(want(plain, ledger=second.ledger))

    assert second.executed == ('REVOKE ADMIN OPTION FOR "club" FROM "x"',)
    assert (second.problems, third.executed) == ((), ())
    assert place.value("select admin_option from pg_auth_members where member = 'x'::regrole") is False
    place.sql("drop role club")


def test_a_membership_that_two_declare_outlives_one_of_them(place: Place) -> None:
    place.sql(CLUB)
    both = RoleEntry("club", ("x",))
    place.run({key("a"): want(both), key("b"): want(both)})

    passed = place.run({key("a"): GrantWant(NOTHING, caused(both)), key("b"): want(both)})

    assert said(passed, "a").executed == ()
    assert place.value("select pg_has_role('x', 'club', 'member')")
    place.sql("drop role club")


def test_a_membership_that_an_outsider_revokes_is_given_back_in_the_next_pass(place: Place) -> None:
    place.sql(CLUB)
    wanted = want(RoleEntry("club", ("x",)))
    first = place.run({key("a"): wanted})
    second = place.run({key("a"): wanted}, memory=first.memory)
    by = " granted by op" if place.version >= 16 else ""
    place.sql(f"revoke club from x{by}")

    third = place.run({key("a"): wanted}, memory=second.memory)
    fourth = place.run({key("a"): wanted}, memory=third.memory)

    assert said(second, "a").executed == ()
    assert said(third, "a").executed == ('GRANT "club" TO "x"',)
    assert (said(fourth, "a").executed, said(fourth, "a").observed) == ((), Observed(desired=1, held=1))
    place.sql("drop role club")


def test_the_right_to_pass_a_role_on_that_was_used_blocks_its_revoke(place: Place) -> None:
    place.sql(CLUB)
    first = place.answer(want(RoleEntry("club", ("x",), admin=True)))
    place.sql("set role x; grant club to y")

    second = place.answer(want(RoleEntry("club", ("x",), admin=False), ledger=first.ledger))

    # Before PostgreSQL 16 what was passed on does not depend on the right to do so.
    blocked = [Reason.REVOKE_BLOCKED] if place.version >= 16 else []
    assert [problem.reason for problem in second.problems] == blocked
    assert place.value("select pg_has_role('y', 'club', 'member')")
    place.sql("drop role club")


def of_x(place: Place) -> str:
    """Grantor and options of each of x's memberships in club."""
    found: str = place.value(
        "select string_agg(format('%s %s', grantor::regrole, (to_jsonb(m) - 'oid' - 'roleid' - 'member' - 'grantor')"
        "::text), '; ' order by grantor::regrole::text) from pg_auth_members m where member = 'x'::regrole"
    )
    return found


NONE = '{"set_option": false, "admin_option": false, "inherit_option": false}'
USUAL = '{"set_option": true, "admin_option": false, "inherit_option": true}'


def test_a_membership_of_no_use_is_not_held_where_options_are_left_out(place: Place) -> None:
    if place.version < 16:
        return  # every membership can be used there
    place.sql(f"{CLUB}; grant club to x with inherit false, set false")

    first = place.answer(want(RoleEntry("club", ("x",))))
    second = place.answer(GrantWant(NOTHING, first.ledger))

    assert first.executed == ('GRANT "club" TO "x"',)
    assert (first.problems, first.observed) == ((), Observed(desired=1, held=1))
    assert (second.problems, of_x(place)) == ((), f"postgres {NONE}")
    place.sql("drop role club")


def test_options_that_are_declared_no_more_are_those_of_the_server_again(place: Place) -> None:
    if place.version < 16:
        return
    place.sql(CLUB)
    first = place.answer(want(RoleEntry("club", ("x",), inherit=False, set=False)))

    second = place.answer(want(RoleEntry("club", ("x",)), ledger=first.ledger))
    third = place.answer(want(RoleEntry("club", ("x",)), ledger=second.ledger))

    assert second.executed == ('GRANT "club" TO "x" WITH INHERIT TRUE, SET TRUE',)
    assert (third.executed, of_x(place)) == ((), f"op {USUAL}")
    place.sql("drop role club")


def test_a_member_that_inherits_nothing_is_not_made_to(place: Place) -> None:
    place.sql(f"{CLUB}; alter role x noinherit")
    wanted = want(RoleEntry("club", ("x",)))

    first = place.answer(wanted)
    second = place.answer(wanted)
    place.sql("alter role x inherit; drop role club")

    assert first.executed == ('GRANT "club" TO "x"',)
    assert (second.executed, second.observed) == ((), Observed(desired=1, held=1))


def test_an_option_that_is_left_out_agrees_with_what_others_declare(place: Place) -> None:
    place.sql(CLUB)
    wordings = [RoleEntry("club", ("x",)), RoleEntry("club", ("x",), admin=True)]
    if place.version >= 16:
        wordings.append(RoleEntry("club", ("x",), inherit=True, set=True))

    passed = place.run({key(str(number)): want(one) for number, one in enumerate(wordings)})

    answers = [said(passed, str(number)) for number in range(len(wordings))]
    assert [answer.problems for answer in answers] == [()] * len(wordings)
    assert place.value("select admin_option from pg_auth_members where member = 'x'::regrole") is True
    place.sql("drop role club")
