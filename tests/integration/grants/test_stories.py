"""Whatever happened in between, what was granted is taken back: generated stories on a real PostgreSQL."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.granting import happenings
from support.granting.servers import EXPECTED
from support.granting.setting import Setting
from support.granting.stories import Step, Story
from support.granting.story_ground import CREATORS, KINDS, LAYOUT, NAMES, SCHEMAS, SPECS

EXAMPLES = int(os.environ.get("STORIES", "100" if os.environ.get(EXPECTED) else "20"))
"""Stories in one run: few where everything is tested, more where each PostgreSQL is."""

PASSES = 4
"""How many passes the end may take; the last of them sends nothing."""


@pytest.fixture(scope="module")
def setting() -> Iterator[Setting]:
    with Setting() as running:
        running.place().sql(LAYOUT)
        yield running


kinds, names = st.sampled_from(sorted(KINDS)), st.sampled_from(NAMES)
schemas = st.sampled_from([*SCHEMAS, "app", "app"])
creators, things = st.sampled_from([*CREATORS, "app_owner"]), st.integers(0, 19)
specs = st.sampled_from([*sorted(SPECS), *(name for name, spec in SPECS.items() if "future" in spec)])
declarations = st.builds(happenings.Declare, st.sampled_from(["one", "two"]), specs)
makes = st.builds(happenings.Make, kinds, creators, schemas, names)
renames = st.builds(happenings.Rename, things, names)
changes: st.SearchStrategy[Step] = st.one_of(
    st.builds(happenings.Move, things),
    st.builds(happenings.Hand, things, creators),
    st.builds(happenings.Swap, things, kinds, creators),
    st.builds(happenings.MakeAgain, things, kinds, creators),
    st.builds(happenings.RenameSchema, st.booleans()),
    st.just(happenings.RenameGrantee()),
    st.builds(happenings.Give, things),
)
occurrences = st.one_of(makes, makes, renames, changes, changes, declarations, st.just(happenings.Reconcile()))
steps = st.lists(occurrences, min_size=4, max_size=14)
"""What is likely to leave something behind is drawn more often."""


@settings(
    max_examples=EXAMPLES,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink),
)
@given(first=declarations, then=steps)
def test_nothing_that_was_granted_outlives_what_granted_it(setting: Setting, first: Step, then: list[Step]) -> None:
    with Story(setting) as story:
        for step in (first, happenings.Reconcile(), *then):
            step.take(story)
        within_reach(story)
        story.delete()
        sent = [story.reconcile() for _ in range(PASSES)]

        assert story.outlives() == []
        assert story.taken_from_others() == []
        assert [one.applied for one in story.objects.values() if one.applied] == []
        assert sent[-1] == 0


def within_reach(story: Story) -> None:
    """What belongs to whom the operator may not act as is blocked until it may."""
    story.place.sql("grant stranger to op")
    story.place.owner_roles = (*story.place.owner_roles, "stranger")
