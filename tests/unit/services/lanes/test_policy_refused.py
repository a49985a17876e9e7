"""A member that Google refuses is its own problem, however many there are and whatever Google says."""

import asyncio

import pytest

from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyWant
from cloudsql_iam_operator.services.lanes.policies.writes import TRIES
from unit.services.lanes.project import LOGIN, Project, key, member, run, want

POISON = frozenset(member(n) for n in range(490))


@pytest.mark.parametrize("tells_names", [True, False])
def test_five_hundred_refused_members_of_one_tenant_cost_few_writes_and_hold_up_no_other(tells_names: bool) -> None:
    project = Project(absent=POISON, tells_names=tells_names)

    async def story(lane: PolicyLane) -> None:
        poison = (lane.bind(key(n, "poison"), want(n)) for n in range(490))
        honest = (lane.bind(key(n, "honest"), want(n)) for n in range(490, 500))
        answers = await asyncio.gather(*poison, *honest, return_exceptions=True)
        assert all(isinstance(answer, BindingsAnswer) for answer in answers[490:])
        assert all(isinstance(answer, Failure) for answer in answers[:490])
        for _ in range(5):
            await asyncio.gather(lane.bind(key(1, "poison"), want(1)), return_exceptions=True)

    run(story, project)

    assert project.members >= {member(n) for n in range(490, 500)}
    assert project.writes <= TRIES + 40  # and what may be tried in the seconds that it took


@pytest.mark.parametrize("reason", [Reason.PRINCIPAL_NOT_FOUND, None])
def test_whoever_stands_alone_in_the_end_is_told_and_unknown_words_are_no_refusal(reason: Reason | None) -> None:
    project = Project(absent=frozenset({member(3)}), tells_names=False, reason=reason)

    async def story(lane: PolicyLane) -> None:
        answers = await asyncio.gather(*(lane.bind(key(n), want(n)) for n in range(8)), return_exceptions=True)
        guilty = answers.pop(3)
        assert all(isinstance(answer, BindingsAnswer) for answer in answers)
        assert isinstance(guilty, Refused if reason else NotYet)
        assert guilty.reason is (reason or Reason.UNEXPECTED_ANSWER)
        assert "does not exist" in guilty.message

    run(story, project)


def test_removals_wait_for_no_refused_member() -> None:
    project = Project(
        {"etag": "0", "bindings": [{"role": LOGIN, "members": [member(1000)]}]}, absent=POISON, tells_names=False
    )

    async def story(lane: PolicyLane) -> None:
        poison = (lane.bind(key(n, "poison"), want(n)) for n in range(490))
        release = lane.release(key(1000), frozenset({BindingRef(member(1000), LOGIN)}))
        *_, released = await asyncio.gather(*poison, release, return_exceptions=True)
        assert released is None

    run(story, project)

    assert member(1000) not in project.members


def test_a_stored_policy_that_google_refuses_is_said_and_nobody_is_blamed_for_it() -> None:
    project = Project(culprit_stored=True)

    async def story(lane: PolicyLane) -> None:
        for _ in range(3):
            answers = await asyncio.gather(*(lane.bind(key(n), want(n)) for n in range(300)), return_exceptions=True)
            assert {getattr(answer, "reason", None) for answer in answers} == {Reason.IAM_POLICY_REFUSED}
        assert project.writes == 2
        project.culprit_stored = False
        project.document["etag"] = "mended"
        answer = await lane.bind(key(1), want(1))
        assert answer.owned == {Binding(LOGIN, member(1))}

    run(story, project)


def test_a_role_that_the_operator_may_not_write_holds_up_no_other_role() -> None:
    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": [member(3)]}]}, denied="roles/owner")
    owner = PolicyWant(frozenset({Binding("roles/owner", member(1))}))

    async def story(lane: PolicyLane) -> None:
        denied, bound, released = await asyncio.gather(
            lane.bind(key(1), owner),
            lane.bind(key(2), want(2)),
            lane.release(key(3), frozenset({BindingRef(member(3), LOGIN)})),
            return_exceptions=True,
        )
        assert isinstance(denied, NotYet)
        assert denied.reason is Reason.IAM_PERMISSION_DENIED
        assert isinstance(bound, BindingsAnswer)
        assert released is None

    run(story, project)

    assert project.members == {member(2)}


def test_removals_wait_for_no_room_in_the_policy() -> None:
    members = [member(n) for n in range(4)]
    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": members}]}, longest=4)

    async def story(lane: PolicyLane) -> None:
        *full, released = await asyncio.gather(
            *(lane.bind(key(n), want(n)) for n in range(10, 13)),
            lane.release(key(0), frozenset({BindingRef(member(0), LOGIN)})),
            return_exceptions=True,
        )
        assert {getattr(answer, "reason", None) for answer in full} == {Reason.IAM_POLICY_FULL}
        assert released is None

    run(story, project)

    assert project.members == {member(n) for n in range(1, 4)}


def test_thirty_refused_members_hold_up_not_even_their_neighbour_in_the_namespace() -> None:
    project = Project(absent=frozenset(member(n) for n in range(30)), tells_names=False)

    async def story(lane: PolicyLane) -> None:
        answers = await asyncio.gather(*(lane.bind(key(n), want(n)) for n in range(31)), return_exceptions=True)
        assert all(isinstance(answer, Refused) for answer in answers[:30])
        assert isinstance(answers[30], BindingsAnswer)

    run(story, project)

    assert project.writes <= 64


def test_an_edit_does_not_wait_until_all_suspects_were_tried() -> None:
    project = Project(absent=POISON, tells_names=False)
    edits: list[asyncio.Task[BindingsAnswer]] = []

    async def story(lane: PolicyLane) -> None:
        loop = asyncio.get_running_loop()

        def somebody_edits(project: Project) -> None:
            loop.call_soon_threadsafe(lambda: edits.append(loop.create_task(lane.bind(key(900, "else"), want(900)))))

        project.before_write = [lambda _: None, somebody_edits]
        await asyncio.gather(*(lane.bind(key(n, "poison"), want(n)) for n in range(490)), return_exceptions=True)
        first = project.writes
        answer = await edits[0]
        assert isinstance(answer, BindingsAnswer)
        assert first <= 10

    run(story, project)
