"""Whose a binding is for the policy lane: what was written, lost on the way, recorded, or there before."""

import asyncio

import pytest

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyWant
from unit.services.lanes.project import FOREIGN, LOGIN, SIGNED, Neighbourhood, Project, key, member, outcomes, run, want

CLIENT = "roles/cloudsql.client"


def test_a_write_whose_answer_was_lost_is_still_known_as_ours() -> None:
    def made_but_not_answered(project: Project) -> None:
        bindings = [FOREIGN, {"role": LOGIN, "members": [member(1)]}]
        project.document = {"etag": "1", "bindings": bindings}
        raise NotYet(Reason.GOOGLE_UNREACHABLE, "no answer")

    project = Project(before_write=[made_but_not_answered])

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(NotYet):
            await lane.bind(key(1), want(1))
        answer = await lane.bind(key(1), want(1))
        assert answer.owned == {Binding(LOGIN, member(1))}
        assert answer.changed_at is not None

    run(story, project)

    assert project.writes == 0


def test_what_somebody_else_adds_while_we_are_about_to_is_theirs() -> None:
    def the_same(project: Project) -> None:
        project.document = {"etag": "1", "bindings": [FOREIGN, {"role": LOGIN, "members": [member(1)]}]}

    project = Project(before_write=[the_same])

    async def story(lane: PolicyLane) -> None:
        answer = await lane.bind(key(1), want(1))
        assert not answer.owned
        assert answer.present == want(1).bindings

    run(story, project)


def test_what_somebody_else_added_while_we_were_about_to_stays_theirs_when_our_own_write_is_never_answered() -> None:
    def the_same(project: Project) -> None:
        project.document = {"etag": "1", "bindings": [FOREIGN, {"role": LOGIN, "members": [member(1)]}]}

    project, neighbourhood = Project(before_write=[the_same], lose_answer=True), Neighbourhood()
    both = frozenset({Binding(LOGIN, member(1)), Binding(CLIENT, member(1))})

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(NotYet):
            await lane.bind(key(1), PolicyWant(both))
        recorded = frozenset(ref for each in neighbourhood.announced for ref in each[key(1)])
        assert recorded == {binding.ref for binding in both}
        await lane.release(key(1), recorded)

    run(story, project, neighbourhood)

    assert project.document["bindings"] == [FOREIGN, {"role": LOGIN, "members": [member(1)]}]


def test_what_we_took_away_and_somebody_else_made_again_is_theirs() -> None:
    project = Project()
    refs = frozenset(binding.ref for binding in want(1).bindings)

    async def story(lane: PolicyLane) -> None:
        await lane.bind(key(1), want(1))
        await lane.release(key(1), refs)
        project.document = {"etag": "theirs", "bindings": [FOREIGN, {"role": LOGIN, "members": [member(1)]}]}
        answer = await lane.bind(key(2), want(1))
        assert not answer.owned

    run(story, project)


def test_what_is_about_to_be_added_is_on_record_before_it_is_written() -> None:
    project, neighbourhood = Project(), Neighbourhood()
    seen: list[set[str]] = []
    neighbourhood.at_record = lambda: seen.append(set(project.members))

    async def story(lane: PolicyLane) -> None:
        await asyncio.gather(lane.bind(key(1), want(1)), lane.bind(key(2), want(1, condition=SIGNED)))
        await lane.bind(key(1), PolicyWant(want(1).bindings, frozenset(b.ref for b in want(1).bindings)))

    run(story, project, neighbourhood)

    bare, signed = (next(iter(want(1, condition=c).bindings)).ref for c in (None, SIGNED))
    assert neighbourhood.announced == [{key(1): {bare}, key(2): {signed}}]
    assert seen == [{"user:owner@acme.com"}]


def test_what_could_not_be_recorded_is_not_added_and_holds_up_nobody() -> None:
    gone = NotYet(Reason.PROGRESSING, "it is gone: nothing is bound for it")
    project, neighbourhood = Project(), Neighbourhood(unrecorded={key(1): gone})

    async def story(lane: PolicyLane) -> None:
        answers = await outcomes(lane, range(1, 3))
        assert answers[0] is gone
        assert isinstance(answers[1], BindingsAnswer)

    run(story, project, neighbourhood)

    assert project.members == {"user:owner@acme.com", member(2)}


def test_a_binding_that_was_there_before_is_not_ours_unless_its_title_says_so() -> None:
    condition = {"title": SIGNED.title, "expression": SIGNED.expression}
    bindings = [
        {"role": LOGIN, "members": [member(1)]},
        {"role": LOGIN, "members": [member(2)], "condition": condition},
    ]
    project = Project({"etag": "0", "bindings": bindings})

    async def story(lane: PolicyLane) -> None:
        foreign = await lane.bind(key(1), want(1))
        ours = await lane.bind(key(2), want(2, condition=SIGNED))
        assert foreign.present == {Binding(LOGIN, member(1))}
        assert foreign.owned == set()
        assert ours.owned == {Binding(LOGIN, member(2), SIGNED)}

    run(story, project)

    assert project.writes == 0


def test_an_answer_that_says_what_was_wanted_is_the_same_set() -> None:
    async def story(lane: PolicyLane) -> None:
        asked = want(1)
        answer = await lane.bind(key(1), asked)
        assert answer.present is asked.bindings
        assert answer.owned is asked.bindings

    run(story, Project())
