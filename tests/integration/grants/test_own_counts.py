"""What a grant is told of a pass is its own: numbers and statements as if there were no other grant."""

import pytest

from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer, Passed
from support.granting.setting import Place
from support.granting.wording import NOTHING, key, on_database, table, want

A, B = key("a"), key("b")


def of(passed: Passed, name: str) -> GrantAnswer:
    answer = passed.answers[key(name)]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def told(answer: GrantAnswer) -> tuple[int, int, tuple[str, ...]]:
    return answer.granted, answer.revoked, answer.executed


def test_statements_shared_with_others_are_told_as_if_alone(place: Place) -> None:
    wants = {A: want(table("SELECT", names=("orders",))), B: want(table("SELECT", names=("orders",), to=("y",)))}

    passed = place.run(wants)

    assert place.sent().count('GRANT SELECT ON TABLE "app"."orders" TO "x", "y"') == 1
    assert told(of(passed, "a")) == (1, 0, ('GRANT SELECT ON TABLE "app"."orders" TO "x"',))
    assert told(of(passed, "b")) == (1, 0, ('GRANT SELECT ON TABLE "app"."orders" TO "y"',))


def test_what_several_want_is_told_to_each(place: Place) -> None:
    wants = {A: want(table("SELECT", names=("orders",))), B: want(table("SELECT", names=("orders",)))}

    passed = place.run(wants)

    assert {told(of(passed, name)) for name in ("a", "b")} == {(1, 0, ('GRANT SELECT ON TABLE "app"."orders" TO "x"',))}


@pytest.mark.parametrize("others", [0, 1, 3])
def test_numbers_are_the_same_however_many_others_share_the_pass(place: Place, others: int) -> None:
    roles = ("y", "z", "y")
    more = {key(f"o{i}"): want(table("SELECT", "INSERT", to=(roles[i],))) for i in range(others)}

    passed = place.run({A: want(table("SELECT", "INSERT"), on_database("CONNECT")), **more})

    assert of(passed, "a").granted == 5
    assert not any('"y"' in text or '"z"' in text for text in of(passed, "a").executed)


def test_revocations_are_counted_for_who_gave_them_up(place: Place) -> None:
    first = place.run({A: want(table("SELECT")), B: want(table("SELECT", to=("y",)))})

    passed = place.run(
        {
            A: GrantWant(NOTHING, of(first, "a").ledger),
            B: GrantWant(NOTHING, of(first, "b").ledger),
        }
    )

    assert [told(of(passed, name))[:2] for name in ("a", "b")] == [(0, 2), (0, 2)]
    assert not any('"y"' in text for text in of(passed, "a").executed)


def test_what_was_refused_is_not_counted(place: Place) -> None:
    place.sql(
        """create function public.veto() returns event_trigger language plpgsql security definer as $$
        begin if exists (select from pg_class c, aclexplode(relacl) e where oid = 'app.items'::regclass
            and e.grantee = 'x'::regrole) then raise 'no'; end if; end $$;
        create event trigger veto on ddl_command_end when tag in ('GRANT') execute function public.veto()"""
    )

    passed = place.run({A: want(table("SELECT")), B: want(table("SELECT", to=("y",)))})

    assert [problem.reason for problem in of(passed, "a").problems] == [Reason.NOT_CONVERGING]
    assert told(of(passed, "a")) == (1, 0, ('GRANT SELECT ON TABLE "app"."orders" TO "x"',))
    assert told(of(passed, "b"))[0] == 2
