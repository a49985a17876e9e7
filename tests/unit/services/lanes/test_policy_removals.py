"""The policy lane takes away only what is nobody's any more, and never much at once."""

import asyncio

import pytest

from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policy_wants import PolicyWant
from unit.services.lanes.project import FOREIGN, LATER, LOGIN, SIGNED, Neighbourhood, Project, key, member, run, want


def test_a_shared_member_goes_with_the_last_object_that_wants_it() -> None:
    project = Project()
    shared = want(1)
    refs = frozenset(b.ref for b in shared.bindings)

    async def story(lane: PolicyLane) -> None:
        await asyncio.gather(lane.bind(key(1), shared), lane.bind(key(2), shared))
        await lane.release(key(1), refs)
        assert member(1) in project.members
        await lane.release(key(2), refs)
        assert member(1) not in project.members

    run(story, project)

    assert project.document["bindings"] == [FOREIGN]


def test_a_release_takes_nothing_that_a_silent_object_holds() -> None:
    bindings = [FOREIGN, {"role": LOGIN, "members": [member(1)]}]
    project = Project({"etag": "0", "bindings": bindings})
    ref = BindingRef(member(1), LOGIN)

    async def story(lane: PolicyLane) -> None:
        await lane.release(key(1), frozenset({ref}))

    run(story, project, Neighbourhood(claims={key(2): frozenset({ref}), key(1): frozenset({ref})}))

    assert project.document["bindings"] == bindings
    assert project.writes == 0


def test_what_is_to_be_replaced_stays_until_what_replaces_it_is_taken() -> None:
    project = Project(absent=frozenset({member(1)}))
    condition = {"title": SIGNED.title, "expression": SIGNED.expression}
    project.document["bindings"] = [{"role": LOGIN, "members": [member(1)], "condition": condition}]

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(Failure):
            await lane.bind(
                key(1),
                PolicyWant(want(1, condition=LATER).bindings, frozenset({Binding(LOGIN, member(1), SIGNED).ref})),
            )

    run(story, project)

    assert project.members == {member(1)}


def test_nothing_is_removed_before_all_objects_were_seen() -> None:
    project = Project({"etag": "0", "bindings": [FOREIGN, {"role": LOGIN, "members": [member(1)]}]})

    async def story(lane: PolicyLane) -> None:
        with pytest.raises(NotYet) as caught:
            await lane.release(key(1), frozenset({BindingRef(member(1), LOGIN)}))
        added = await lane.bind(key(2), want(2))
        assert caught.value.reason is Reason.PROGRESSING
        assert len(added.present) == 1

    run(story, project, Neighbourhood(listed=False))

    assert project.members == {"user:owner@acme.com", member(1), member(2)}


def test_an_unusually_large_removal_waits_for_consent() -> None:
    members = [member(n) for n in range(11)]
    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": members}]})
    neighbourhood = Neighbourhood(consented=False)

    async def story(lane: PolicyLane) -> None:
        async def release_all() -> list[BaseException | None]:
            releases = (lane.release(key(n), frozenset({BindingRef(member(n), LOGIN)})) for n in range(11))
            return await asyncio.gather(*releases, return_exceptions=True)

        refused = await release_all()
        assert {str(r.reason) for r in refused if isinstance(r, Failure)} == {"RemovalThresholdExceeded"}
        assert project.members == set(members)
        neighbourhood.acknowledged = True
        assert await release_all() == [None] * 11

    run(story, project, neighbourhood)

    assert project.members == set()


def test_a_deletion_is_its_own_consent_however_many_are_deleted() -> None:
    members = [member(n) for n in range(300)]
    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": members}]})

    async def story(lane: PolicyLane) -> None:
        await asyncio.gather(*(lane.release(key(n), frozenset({BindingRef(member(n), LOGIN)})) for n in range(300)))

    run(story, project)

    assert project.members == set()
    assert project.writes == 1


def test_what_one_tenant_loses_unasked_stops_no_removal_of_another() -> None:
    members = [member(n) for n in range(30)]
    project = Project({"etag": "0", "bindings": [{"role": LOGIN, "members": members}]})

    async def story(lane: PolicyLane) -> None:
        many = (lane.release(key(n, "careless"), frozenset({BindingRef(member(n), LOGIN)})) for n in range(12))
        refused = await asyncio.gather(*many, return_exceptions=True)
        await lane.release(key(29, "careful"), frozenset({BindingRef(member(29), LOGIN)}))
        await lane.bind(key(50, "careless"), want(50))
        assert {str(r.reason) for r in refused if isinstance(r, Failure)} == {"RemovalThresholdExceeded"}

    run(story, project, Neighbourhood(consented=False))

    assert project.members == {member(n) for n in range(29)} | {member(50)}


def test_a_changed_condition_replaces_the_old_one_in_one_write() -> None:
    project = Project()

    async def story(lane: PolicyLane) -> None:
        first = await lane.bind(key(1), want(1, condition=SIGNED))
        changed = PolicyWant(want(1, condition=LATER).bindings, frozenset(b.ref for b in first.owned))
        await lane.bind(key(1), changed)

    run(story, project)

    assert project.writes == 2
    assert [b for b in Policy(project.document).bindings() if b.member == member(1)] == [
        Binding(LOGIN, member(1), LATER)
    ]
