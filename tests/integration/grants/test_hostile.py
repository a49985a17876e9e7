"""Names made to break out of statements: the server's own log shows nothing but the plan, on exactly those names."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cloudsql_iam_operator.api.parsing.objects import InvalidObject
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from support.granting.hostile import LONGEST, Hostile, cut, hostiles
from support.granting.setting import Place, Setting
from support.granting.traffic import is_known, mark, plain
from support.granting.wording import NOTHING, on_schema, table, want

TAME = Hostile("s", "t", "c", "q", "f", "ty", "g", ("r1", "r2"))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Setting() as running:
        yield running.place()


@contextmanager
def made(place: Place, hostile: Hostile) -> Iterator[None]:
    """Everything of those names, there for a while."""
    place.sql(hostile.made)
    try:
        yield
    finally:
        place.sql(hostile.unmade)


@settings(
    max_examples=40,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(hostile=hostiles())
def test_nothing_is_said_but_the_plan_whatever_the_names(place: Place, hostile: Hostile) -> None:
    wanted = GrantWant(hostile.declared)

    with made(place, hostile):
        planned = place.answer(replace(wanted, dry=True)).planned
        granting = mark(place)
        granted = place.answer(wanted)
        said = granting.said()
        revoking = mark(place)
        revoked = place.answer(GrantWant(NOTHING, granted.ledger))
        unsaid = revoking.said()

    assert said == sorted(plain(text) for text in hostile.statements())
    assert sorted(granted.executed) == sorted(planned) == _without_locks(hostile.statements())
    assert unsaid == sorted(plain(text) for text in hostile.statements("REVOKE", "FROM"))
    assert (granted.problems, revoked.problems, revoked.ledger) == ((), (), frozenset())
    assert granted.observed.held == granted.observed.desired
    assert place.value("select to_regclass('app.orders')::text") == "app.orders"


def _without_locks(statements: list[str]) -> list[str]:
    return [text for text in statements if not text.startswith("LOCK")]


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "\x7f", "a\x85b", "x" * 64, "é" * 32, "🐘" * 16, ""])
@pytest.mark.parametrize("field", ["schema", "table", "column", "sequence", "routine", "type", "group"])
def test_a_name_that_would_be_cut_or_misread_is_refused_wherever_it_is_written(field: str, name: str) -> None:
    assert TAME.declared.schemas == {"s"}

    with pytest.raises((InvalidObject, Refused)):
        _ = replace(TAME, **{field: name}).declared  # type: ignore[arg-type]  # one of its texts


@pytest.mark.parametrize("name", ["a\nb", "a\x00b", "x" * 64, ""])
def test_a_grantee_that_would_be_cut_or_misread_is_refused(name: str) -> None:
    with pytest.raises((InvalidObject, Refused)):
        _ = replace(TAME, grantees=("r1", name)).declared


@pytest.mark.parametrize("name", ["x" * 63, "é" * 31 + "x", "🐘" * 15 + "abc"])
def test_a_name_of_63_bytes_is_granted_on(place: Place, name: str) -> None:
    hostile = replace(TAME, schema=name, table=name, column=name, group=name)

    with made(place, hostile):
        since = mark(place)
        answer = place.answer(GrantWant(hostile.declared))
        said = since.said()

    assert len(name.encode()) == LONGEST
    assert answer.problems == ()
    assert said == sorted(plain(text) for text in hostile.statements())


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "🐘" * 16])
def test_a_longer_name_never_reaches_what_its_first_63_bytes_name(place: Place, name: str) -> None:
    # Past the checks of what is declared: the engine itself must not find the objects with the shorter names.
    hostile = replace(TAME, schema=cut(name), table=cut(name), grantees=("r1", cut(name)))

    with made(place, hostile):
        since = mark(place)
        by_table = place.answer(want(table("SELECT", schema=hostile.schema, names=(name,))))
        by_schema = place.answer(want(on_schema("USAGE", schema=name), table("SELECT", schema=name)))
        by_role = place.answer(want(table("SELECT", to=(name,), schema=hostile.schema)))
        said = since.said()

    assert said == []
    assert all(answer.problems for answer in (by_table, by_schema, by_role))


def test_a_look_with_anything_more_in_it_is_not_taken_for_a_known_one() -> None:
    assert is_known("begin isolation level repeatable read, read only")
    assert is_known("COMMIT")
    assert not is_known("commit; drop table app.orders")
    assert not is_known('GRANT "app_owner" TO "x"')
    assert not is_known("select set_config('role', 'app_owner', true)")
