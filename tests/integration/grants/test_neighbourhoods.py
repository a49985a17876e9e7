"""Passes over neighbourhoods on a real PostgreSQL come to what passes over everything come to: generated stories."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import Enforcement
from cloudsql_iam_operator.api.names import Key
from support.granting.servers import EXPECTED
from support.granting.setting import Setting
from support.granting.town import GRANTEES, LAYOUT, SHAPES, Town
from support.granting.wording import NOTHING, key

EXAMPLES = int(os.environ.get("STORIES", "60" if os.environ.get(EXPECTED) else "6"))
"""Stories in one run: few where everything is tested, more where each PostgreSQL is."""

KEYS = tuple(key(f"o{number}") for number in range(len(GRANTEES)))


@dataclass(frozen=True, slots=True)
class Edit:
    """Objects are edited: each to declare a shape for its own grantee and perhaps the next, or "" to be deleted."""

    numbers: tuple[int, ...]
    shape: str
    shared: bool
    how: Enforcement

    def take(self, town: Town) -> frozenset[Key]:
        """Declare it; which keys wait for a pass then."""
        for number in self.numbers:
            roles = (GRANTEES[number], GRANTEES[(number + 1) % len(GRANTEES)])[: 1 + self.shared]
            entries = SHAPES[self.shape](tuple(sorted(roles))) if self.shape else NOTHING
            town.declare(KEYS[number], entries, self.how)
        return frozenset(KEYS[number] for number in self.numbers) & town.objects.keys()


@dataclass(frozen=True, slots=True)
class Happen:
    """Others change something in the database."""

    statement: str

    def take(self, town: Town) -> None:
        """Run it as the superuser."""
        town.place.sql(self.statement)


@dataclass(frozen=True, slots=True)
class Look:
    """The periodic look at everything."""


HAPPENINGS = (
    "set role app_owner; create table if not exists app.later (id integer)",
    "drop table if exists app.later",
    *(f"set role app_owner; revoke all on app.orders from {name}" for name in GRANTEES[:4]),
    *(f"set role app_owner; grant select, delete on app.items to {name}" for name in GRANTEES[:4]),
    f"set role app_owner; grant usage on schema app to {GRANTEES[1]}",
)

numbers = st.sets(st.integers(0, len(GRANTEES) - 1), min_size=1, max_size=2).map(lambda some: tuple(sorted(some)))
shapes = st.sampled_from([*SHAPES, "tables", "one table", "one table"])
hows = st.sampled_from([Enforcement.MANAGED, *Enforcement])
edits = st.builds(Edit, numbers, st.one_of(shapes, shapes, st.just("")), st.sampled_from([False, False, True]), hows)
beginnings = st.lists(
    st.builds(Edit, st.just(()), shapes, st.sampled_from([False, False, False, True]), hows),
    min_size=len(GRANTEES),
    max_size=len(GRANTEES),
)
steps = st.lists(
    st.one_of(edits, edits, edits, st.builds(Happen, st.sampled_from(HAPPENINGS)), st.just(Look())), max_size=8
)
Step = Edit | Happen | Look


@pytest.fixture(scope="module")
def settings_of_two() -> Iterator[tuple[Setting, Setting]]:
    """Two servers: roles and memberships are of the whole server."""
    with Setting() as one, Setting() as other:
        for each in (one, other):
            each.place().sql(LAYOUT)
        yield one, other


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
@given(first=beginnings, then=steps)
def test_passes_over_a_few_come_to_what_passes_over_everything_come_to(
    settings_of_two: tuple[Setting, Setting], first: Sequence[Edit], then: Sequence[Step]
) -> None:
    with closing(Town(settings_of_two[0], few=True)) as few, closing(Town(settings_of_two[1], few=False)) as whole:
        pair = Pair(few, whole)
        for number, edit in enumerate(first):
            for town in (few, whole):
                Edit((number,), edit.shape, edit.shared, edit.how).take(town)
        pair.look()
        for step in then:
            pair.take(step)
        pair.look()
        for number in range(0, len(GRANTEES), 2):
            pair.take(Edit((number, number + 1), "", shared=False, how=Enforcement.MANAGED))
        pair.look()

        assert few.objects == whole.objects


WHOLE = {"creating": (True, True), "a member": (True, True), "from everybody": (True, False)}
"""Whether a pass that gives is over everything, and one that takes back; PUBLIC gets nothing back."""


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pass_is_over_a_few_unless_others_have_to_do_with_what_is_done(
    settings_of_two: tuple[Setting, Setting], shape: str
) -> None:
    with closing(Town(settings_of_two[0], few=True)) as town:
        for number in range(len(GRANTEES)):
            Edit((number,), "one table", shared=False, how=Enforcement.MANAGED).take(town)
        town.reconcile()

        edited = town.reconcile(Edit((0,), shape, shared=False, how=Enforcement.MANAGED).take(town))
        edit = town.passes[-1]
        town.reconcile(Edit((0,), "", shared=False, how=Enforcement.MANAGED).take(town))

        assert (edit.whole, town.passes[-1].whole) == WHOLE.get(shape, (False, False))
        assert edited[KEYS[0]].problems == ()
        assert not any(f" to {GRANTEES[0]} " in right for right in town.rights())


def test_a_role_that_took_the_name_of_another_grantee_loses_nothing_that_is_declared_for_it(
    settings_of_two: tuple[Setting, Setting],
) -> None:
    with closing(Town(settings_of_two[0], few=True)) as town:
        for number in range(len(GRANTEES)):
            Edit((number,), "one table", shared=False, how=Enforcement.MANAGED).take(town)
        town.reconcile()
        town.place.sql("alter role g1 rename to old; alter role g0 rename to g1")
        town.reconcile(Edit((2,), "tables", shared=False, how=Enforcement.MANAGED).take(town))
        others = town.passes[-1].whole
        town.reconcile(Edit((0,), "", shared=False, how=Enforcement.MANAGED).take(town))
        renamed = town.passes[-1].whole

        assert (others, renamed) == (False, True)
        assert "SELECT on table app.orders to g1 by app_owner" in town.rights()
        town.place.sql("alter role g1 rename to g0; alter role old rename to g1")


class Pair:
    """Two databases in which the same happens; passes over the one are over few where they may be."""

    def __init__(self, few: Town, whole: Town) -> None:
        self.few = few
        self.whole = whole
        self._alike = False

    def take(self, step: Step) -> None:
        """One step in both."""
        if isinstance(step, Look):
            self.look()
        elif isinstance(step, Happen):
            for town in (self.few, self.whole):
                step.take(town)
            self._alike = False
        else:
            self._edit(step)

    def look(self) -> None:
        """What a look at everything comes to is the same; a second one finds nothing to do."""
        for town in (self.few, self.whole):
            town.reconcile()
            town.reconcile()
        assert self.few.rights() == self.whole.rights()
        assert self.few.passes[-1].clean == self.whole.passes[-1].clean
        self._alike = True

    def _edit(self, step: Edit) -> None:
        before = self.few.rights()
        sought = step.take(self.few) | step.take(self.whole)
        told, all_told = self.few.reconcile(sought), self.whole.reconcile(sought)
        after, all_after = self.few.rights(), self.whole.rights()

        assert sought <= told.keys()
        assert after - before <= all_after, "something was granted that nobody declares"
        assert before - after <= before - all_after, "something was taken that somebody declares"
        if self._alike:
            assert after == all_after
            assert told == {key: all_told[key] for key in told}
