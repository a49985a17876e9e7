"""Ending a user: what it waits for, and ending its deletion by force."""

import asyncio
from itertools import product

import pytest

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import FORCE_REMOVE, GRANT, INSTANCE, USER, Key
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.record import record_in
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from cloudsql_iam_operator.services.reconcilers.users.ending import GIVE_UP, UNHEEDED, Ending, advice, forced
from cloudsql_iam_operator.services.reconcilers.users.roles import DatabaseRoles
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.registry import Registry
from cloudsql_iam_operator.services.runtime.turns import Turns
from cloudsql_iam_operator.services.runtime.workqueue import Backoff, WorkQueue
from cloudsql_iam_operator.services.waiting.ranks import Overtaken
from unit.services.authority.ground import GRANT_KEY, GRANT_STATUS, RULE, SINCE, USER_KEY, USER_STATUS, Ground, body

SPEC = {"instanceRef": {"name": "orders"}, "principal": {"user": "ann@acme.com"}}
YES_OR_NO = (True, False)
HELD_UP = {"type": "Ready", "status": "False", "reason": "DeletionBlocked"}


def at_the_end(*, stuck: bool, annotated: bool, bound: bool, there: bool) -> tuple[Visit, Registry]:
    """A user whose deletion did or did not come through."""
    registry = Registry()
    if there:
        spec = {"connectionName": "acme:eu:orders", "access": [RULE]}
        registry.put(Key(INSTANCE.name, "", "orders"), body(INSTANCE.name, "orders", spec))
    status = USER_STATUS if bound else {**USER_STATUS, "iam": {}}
    annotations = {"annotations": {FORCE_REMOVE: "true"}} if annotated else {}
    registry.put(USER_KEY, body(USER.name, "checkout", SPEC, status, deletionTimestamp=SINCE, **annotations))
    live = registry.get(USER_KEY)
    assert live is not None
    layers = Layers(advice(live, registry, bound=bound))
    if stuck:
        layers.note(ConditionType.USER_READY, Reason.OWNS_OBJECTS, "it owns a table" + GIVE_UP)
    return Visit(live, layers, record_in(status)), registry


@pytest.mark.parametrize(("stuck", "annotated", "bound", "there"), list(product(YES_OR_NO, repeat=4)))
def test_force_ends_what_is_stuck_and_leaves_no_access_that_could_be_taken(
    stuck: bool, annotated: bool, bound: bool, there: bool
) -> None:
    visit, registry = at_the_end(stuck=stuck, annotated=annotated, bound=bound, there=there)

    ended = forced(visit, registry)

    by_force = stuck and annotated and not (bound and there)
    report = ended.report()
    assert report.holds is (by_force or not stuck)
    assert [reason for reason, _ in report.warnings] == (["ForceRemoved"] if by_force else [])
    assert [reason for reason, _ in report.changes] == (["ForceRemoved"] if by_force else [])
    assert by_force is (ended is not visit)


def test_the_event_says_why_and_what_may_be_left() -> None:
    visit, registry = at_the_end(stuck=True, annotated=True, bound=True, there=False)

    ((_, text),) = forced(visit, registry).report().warnings

    assert text == (
        "removed by iam.cloudsql.dev/force-remove while it owns a table; database user checkout@acme.iam on "
        "acme:eu:orders may be left, and IAM bindings of serviceAccount:checkout@acme.iam.gserviceaccount.com"
    )


def test_who_is_not_heeded_is_told_why() -> None:
    visit, registry = at_the_end(stuck=True, annotated=True, bound=True, there=True)

    assert advice(visit.live, registry, bound=True) == GIVE_UP + UNHEEDED
    assert advice(visit.live, registry, bound=False) == GIVE_UP


def test_a_user_that_goes_waits_without_a_word_for_grants_that_go_too() -> None:
    scene, told = going(grant_goes=True)

    async def story() -> None:
        await scene.begins()
        scene.registry.end(GRANT_KEY, "uid-reads")
        scene.queue.add(USER_KEY)
        await scene.ends()

    asyncio.run(asyncio.wait_for(story(), 60))

    assert told == ["gone"]


def test_a_user_that_goes_says_so_at_once_when_a_grant_holds_for_it_that_stays() -> None:
    scene, told = going(grant_goes=False)

    async def story() -> None:
        await scene.begins()
        await scene.ends()

    asyncio.run(asyncio.wait_for(story(), 60))

    assert told == ["DependentGrantsExist"]


def test_a_user_that_goes_says_so_when_a_grant_that_goes_too_says_what_holds_it_up() -> None:
    scene, told = going(grant_goes=True)

    async def story() -> None:
        await scene.begins()
        live = scene.registry.get(GRANT_KEY)
        assert live is not None
        status = {**GRANT_STATUS, "observedGeneration": live.generation, "conditions": [HELD_UP]}
        scene.registry.renew(GRANT_KEY, {**live.body, "status": status})
        scene.queue.add(USER_KEY)
        await scene.ends()

    asyncio.run(asyncio.wait_for(story(), 60))

    assert told == ["DependentGrantsExist"]


def test_an_edit_of_a_user_that_waits_for_grants_begins_its_end_anew() -> None:
    scene, told = going(grant_goes=True)

    async def story() -> None:
        await scene.begins()
        edited = body(
            USER.name, "checkout", SPEC, USER_STATUS, deletionTimestamp=SINCE, annotations={FORCE_REMOVE: "true"}
        )
        scene.registry.put(USER_KEY, {**edited, "metadata": {**edited["metadata"], "resourceVersion": "9"}})
        scene.queue.add(USER_KEY)
        await scene.ends()

    asyncio.run(asyncio.wait_for(story(), 60))

    assert told == ["overtaken"]


class Waiting:
    """A user's end in the work queue, as far as it waits for the grants."""

    def __init__(self, ending: Ending, visit: Visit, registry: Registry, told: list[str]) -> None:
        self.registry = registry
        self._ending, self._visit, self._told = ending, visit, told

    async def begins(self) -> None:
        self.queue: WorkQueue[Key] = WorkQueue(Backoff())
        self._turns = asyncio.create_task(Turns(self.queue, self._work).run())
        self.queue.add(USER_KEY)
        while self.queue.under_way and not self._told:
            await asyncio.sleep(0)

    async def ends(self) -> None:
        while not self._told:
            await asyncio.sleep(0)
        self._turns.cancel()

    async def _work(self, key: Key) -> None:
        async def passed_on(visit: Visit, instance: CloudSQLInstance) -> bool:
            return True

        instance = self.registry.instance("orders")
        assert instance is not None
        assert isinstance(instance.spec, CloudSQLInstance)
        try:
            await self._ending.drop(self._visit, instance.spec, passed_on)
            self._told.append("gone")
        except NotYet as failure:
            self._told.append(str(failure.reason))
        except Overtaken:
            self._told.append("overtaken")


def going(*, grant_goes: bool) -> tuple[Waiting, list[str]]:
    """A user that goes, and a grant to it that goes too or stays."""
    ground = Ground()
    user = body(USER.name, "checkout", SPEC, USER_STATUS, deletionTimestamp=SINCE)
    grantees = [{"userRef": {"name": "checkout"}}]
    spec = {"instanceRef": {"name": "orders"}, "database": "orders", "grantees": grantees, "grants": []}
    end = {"deletionTimestamp": SINCE} if grant_goes else {}
    ground.show(user, body(GRANT.name, "reads", spec, GRANT_STATUS, **end))
    told: list[str] = []
    live = ground.live(USER_KEY)
    ending = Ending(ground, DatabaseRoles(ground))  # type: ignore[arg-type] # the systems as the ground has them
    return Waiting(ending, Visit(live, Layers(), record_in(live.status)), ground.registry, told), told
