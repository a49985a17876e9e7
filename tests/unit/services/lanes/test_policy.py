"""The policy lane: many objects, few calls, and nobody pays for another's mistake."""

import asyncio
import logging

import pytest

from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyWant
from unit.services.lanes.project import FOREIGN, LOGIN, SIGNED, UNSUPPORTED, Project, key, member, outcomes, run, want


async def patiently(lane: PolicyLane, number: int) -> BindingsAnswer:
    """The answer once the lane may ask again."""
    while True:
        try:
            return await lane.bind(key(number), want(number))
        except NotYet as failure:
            await asyncio.sleep(failure.retry_after or 0.05)


def test_a_hundred_objects_cost_one_read_and_one_write() -> None:
    project = Project()

    async def story(lane: PolicyLane) -> None:
        answers = await outcomes(lane, range(100))
        assert all(isinstance(answer, BindingsAnswer) and len(answer.owned) == 1 for answer in answers)

    run(story, project)

    assert (project.reads, project.writes) == (1, 1)
    assert project.members == {member(n) for n in range(100)} | {"user:owner@acme.com"}


def test_a_second_pass_writes_nothing_and_a_clean_one_serves_without_a_read() -> None:
    project = Project()

    async def story(lane: PolicyLane) -> None:
        first = await lane.bind(key(1), want(1))
        second = await lane.bind(key(1), want(1))
        third = await lane.bind(key(1), want(1), max_age=60.0)
        assert first == second == third

    run(story, project)

    assert (project.reads, project.writes) == (2, 1)


@pytest.mark.parametrize("tells_names", [True, False])
def test_a_member_that_google_refuses_fails_alone(tells_names: bool) -> None:
    project = Project(absent=frozenset({member(3), member(7)}), tells_names=tells_names)
    guilty: list[int] = []

    async def story(lane: PolicyLane) -> None:
        answers = await outcomes(lane, range(10))
        for number, answer in enumerate(answers):
            if isinstance(answer, Refused):
                assert answer.reason is Reason.PRINCIPAL_NOT_FOUND
                guilty.append(number)

    run(story, project)

    assert guilty == [3, 7]
    assert project.members == {member(n) for n in range(10) if n not in {3, 7}} | {"user:owner@acme.com"}


def test_a_role_that_google_refuses_fails_only_who_asks_for_it() -> None:
    project = Project()
    wrong = PolicyWant(frozenset({Binding(UNSUPPORTED, member(1)), Binding(LOGIN, member(1))}))

    async def story(lane: PolicyLane) -> None:
        answers = await asyncio.gather(lane.bind(key(1), wrong), lane.bind(key(2), want(2)), return_exceptions=True)
        assert isinstance(answers[0], Refused)
        assert answers[0].reason is Reason.INVALID_SPEC
        assert isinstance(answers[1], BindingsAnswer)

    run(story, project)

    assert project.writes == 2


def test_a_refused_member_is_not_offered_again_at_once() -> None:
    project = Project(absent=frozenset({member(1)}))

    async def story(lane: PolicyLane) -> None:
        await asyncio.gather(lane.bind(key(1), want(1)), return_exceptions=True)
        tries = project.writes
        await lane.bind(key(2), want(2))
        assert project.writes == tries + 1

    run(story, project)

    assert project.members == {member(2), "user:owner@acme.com"}


def test_a_refused_member_is_offered_again_when_a_person_asks_for_it() -> None:
    project = Project(absent=frozenset({member(1)}))

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(Refused):
            await lane.bind(key(1), want(1), max_age=60.0)
        project.absent = frozenset()
        with pytest.raises(Refused):
            await lane.bind(key(1), want(1), max_age=60.0)

        answer = await lane.bind(key(1), want(1), max_age=0.0)
        assert answer.present == want(1).bindings

    run(story, project)


def test_a_lost_race_is_read_and_planned_again() -> None:
    def somebody_else_writes(project: Project) -> None:
        bindings = [FOREIGN, {"role": "roles/editor", "members": ["user:else@acme.com"]}]
        project.document = {"etag": "else", "bindings": bindings}

    project = Project(before_write=[somebody_else_writes])

    async def story(lane: PolicyLane) -> None:
        await lane.bind(key(1), want(1))

    run(story, project)

    assert project.reads == 2
    assert project.members == {"user:owner@acme.com", "user:else@acme.com", member(1)}


def test_what_is_only_looked_for_is_found_under_any_condition_and_writes_nothing() -> None:
    entry = {
        "role": LOGIN,
        "members": [member(1).upper().replace("USER", "user")],
        "condition": {"title": "t", "expression": "e"},
    }
    project = Project({"etag": "0", "bindings": [FOREIGN, entry]})

    async def story(lane: PolicyLane) -> None:
        answer = await lane.bind(key(1), PolicyWant(watched=want(1, condition=SIGNED).bindings))
        assert [b.condition.title for b in answer.found if b.condition] == ["t"]
        assert answer.present == answer.owned == set()

    run(story, project)

    assert project.writes == 0


def test_a_write_that_is_not_permitted_fails_only_those_who_need_one() -> None:
    def denied(project: Project) -> None:
        raise NotYet(Reason.IAM_PERMISSION_DENIED, "not permitted")

    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": [member(1)]}]}, before_write=[denied])

    async def story(lane: PolicyLane) -> None:
        answers = await asyncio.gather(lane.bind(key(1), want(1)), lane.bind(key(2), want(2)), return_exceptions=True)
        assert isinstance(answers[0], BindingsAnswer)
        assert isinstance(answers[1], NotYet)
        assert answers[1].reason is Reason.IAM_PERMISSION_DENIED

    run(story, project)


def test_a_used_up_quota_is_left_alone_for_as_long_as_google_says() -> None:
    def used_up(project: Project) -> None:
        raise NotYet(Reason.QUOTA_EXCEEDED, "quota", 30.0)

    project = Project(before_write=[used_up])

    async def story(lane: PolicyLane) -> None:
        for number in (1, 2):
            with pytest.raises(NotYet) as caught:
                await lane.bind(key(number), want(number))
            assert caught.value.reason is Reason.QUOTA_EXCEEDED
            assert caught.value.retry_after is not None
            assert caught.value.retry_after > 20

    run(story, project)

    assert project.reads == 1


def test_a_storm_makes_one_call_at_a_time_for_all_who_wait() -> None:
    def unreachable(project: Project) -> None:
        raise NotYet(Reason.GOOGLE_UNREACHABLE, "Google answered 503")

    project = Project(before_write=[unreachable] * 3)

    async def story(lane: PolicyLane) -> None:
        answers = await asyncio.gather(*(patiently(lane, number) for number in range(50)))
        assert all(answer.owned for answer in answers)

    run(story, project)

    assert project.reads <= 6


def test_who_comes_while_calls_are_held_back_is_told_why_without_one() -> None:
    def unreachable(project: Project) -> None:
        raise NotYet(Reason.GOOGLE_UNREACHABLE, "Google answered 503", 30.0)

    project = Project(before_write=[unreachable])

    async def story(lane: PolicyLane) -> None:
        for number in (1, 2):
            with pytest.raises(NotYet) as caught:
                await lane.bind(key(number), want(number))
            assert caught.value.message == "Google answered 503"

    run(story, project)

    assert project.reads == 1


def test_each_change_is_one_line_of_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cloudsql_iam_operator")

    async def story(lane: PolicyLane) -> None:
        await lane.bind(key(1), want(1, condition=SIGNED))
        await lane.release(key(1), frozenset(b.ref for b in want(1, condition=SIGNED).bindings))

    run(story, Project())

    binding = "roles/cloudsql.instanceUser for user:u1@acme.com under 'cloudsql-iam-operator/orders'"
    told = [one.getMessage() for one in caplog.records if one.name.startswith("cloudsql_iam_operator")]
    assert told == [f"project acme-prod: added {binding}", f"project acme-prod: removed {binding}"]


def test_the_limit_of_a_policy_is_told_to_whoever_meets_it() -> None:
    crowd = {"role": "roles/viewer", "members": [f"user:c{n}@acme.com" for n in range(1500)]}
    project = Project({"etag": "0", "bindings": [crowd]})

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(Refused) as caught:
            await lane.bind(key(1), want(1))
        assert caught.value.reason is Reason.IAM_POLICY_FULL
        assert lane.principals == 1500

    run(story, project)

    assert project.writes == 0
