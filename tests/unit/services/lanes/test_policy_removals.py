"""The policy lane takes away only what is nobody's any more, and never much at once."""

import asyncio
from collections.abc import Awaitable

import pytest

from cloudsql_iam_operator.api.names import INSTANCE, Key
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.iam.removals import Consent
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyWant
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


def releases(lane: PolicyLane, numbers: range, namespace: str = "orders") -> Awaitable[list[BaseException | None]]:
    one_by_one = (lane.release(key(n, namespace), frozenset({BindingRef(member(n), LOGIN)})) for n in numbers)
    return asyncio.gather(*one_by_one, return_exceptions=True)


def reasons(answers: list[BaseException | None]) -> list[str]:
    return [str(answer.reason) if isinstance(answer, Failure) else "" for answer in answers]


def crowd(many: int) -> Project:
    return Project({"etag": "0", "bindings": [{"role": LOGIN, "members": [member(n) for n in range(many)]}]})


STOPPED = "RemovalThresholdExceeded"


def test_an_unusually_large_removal_waits_for_consent_to_exactly_that() -> None:
    project, neighbourhood = crowd(40), Neighbourhood(asked=False)

    async def story(lane: PolicyLane) -> None:
        assert reasons(await releases(lane, range(11))) == [STOPPED] * 11
        assert neighbourhood.told == [Key(INSTANCE.name, "", "orders")]
        shown = lane.waiting("orders")
        assert (shown.members, len(project.members)) == (11, 40)
        for wrong in ("true", "", shown.hash[:-1]):
            neighbourhood.consents = {"orders": Consent(wrong)}
            assert reasons(await releases(lane, range(11))) == [STOPPED] * 11

        neighbourhood.consents = {"orders": Consent(shown.hash)}
        assert reasons(await releases(lane, range(11))) == [""] * 11
        assert (lane.waiting("orders").members, lane.consent_used("orders")) == (0, shown.hash)

        assert reasons(await releases(lane, range(11, 22))) == [STOPPED] * 11

    run(story, project, neighbourhood)

    assert project.members == {member(n) for n in range(11, 40)}


def test_a_consent_is_used_up_and_counts_for_the_same_removals_only_when_given_anew() -> None:
    project, neighbourhood = crowd(11), Neighbourhood(asked=False)

    async def story(lane: PolicyLane) -> None:
        await releases(lane, range(11))
        consent = Consent(lane.waiting("orders").hash)
        neighbourhood.consents = {"orders": consent}
        assert reasons(await releases(lane, range(11))) == [""] * 11
        project.document = {"etag": "again", "bindings": crowd(11).document["bindings"]}
        assert reasons(await releases(lane, range(11))) == [STOPPED] * 11

        neighbourhood.consents = {}
        assert reasons(await releases(lane, range(11))) == [STOPPED] * 11
        neighbourhood.consents = {"orders": consent}
        assert reasons(await releases(lane, range(11))) == [""] * 11

    run(story, project, neighbourhood)


def test_a_removal_that_comes_in_many_passes_is_stopped_as_one_that_comes_at_once() -> None:
    project = crowd(30)

    async def story(lane: PolicyLane) -> None:
        assert reasons(await releases(lane, range(6))) == [""] * 6
        assert reasons(await releases(lane, range(6, 12))) == [STOPPED] * 6

    run(story, project, Neighbourhood(asked=False))

    assert project.members == {member(n) for n in range(6, 30)}


@pytest.mark.parametrize(("limit", "lost"), [(None, 5), (5, 5), (4, 0), (0, 0)])
def test_an_instance_that_says_so_has_deletions_counted_too(limit: int | None, lost: int) -> None:
    project = crowd(30)

    async def story(lane: PolicyLane) -> None:
        assert reasons(await releases(lane, range(5))) == (["" if lost else STOPPED] * 5)
        await lane.bind(key(50), want(50))

    run(story, project, Neighbourhood(limit=limit))

    assert len(project.members) == 30 - lost + 1


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

    run(story, project, Neighbourhood(asked=False))

    assert project.members == {member(n) for n in range(29)} | {member(50)}


def test_a_changed_condition_replaces_the_old_one_in_one_write() -> None:
    project = Project()

    async def story(lane: PolicyLane) -> None:
        first = await lane.bind(key(1), want(1, condition=SIGNED))
        changed = PolicyWant(want(1, condition=LATER).bindings, frozenset(b.ref for b in first.owned))
        await lane.bind(key(1), changed)

    run(story, project)

    assert project.writes == 2
    assert [b for b in Policy(project.document).bindings if b.member == member(1)] == [Binding(LOGIN, member(1), LATER)]
