"""Ending a deletion by force: who may, when, and what is told of it."""

from itertools import product

import pytest

from cloudsql_iam_operator.api.names import FORCE_REMOVE, INSTANCE, USER, Key
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.record import record_in
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from cloudsql_iam_operator.services.reconcilers.users.ending import GIVE_UP, UNHEEDED, advice, forced
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.registry import Registry
from unit.services.authority.ground import RULE, SINCE, USER_KEY, USER_STATUS, body

SPEC = {"instanceRef": {"name": "orders"}, "principal": {"user": "ann@acme.com"}}
YES_OR_NO = (True, False)


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
