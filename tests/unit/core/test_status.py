from datetime import UTC, datetime

from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import Condition, ConditionType, Finding, conditions

THEN = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 2, tzinfo=UTC)

BOUND = Finding(ConditionType.IAM_BOUND, Reason.SUCCEEDED, "bound")
USER_WAITS = Finding(ConditionType.USER_READY, Reason.INSTANCE_STOPPED, "acme:r:i is stopped; start it")
USER_REFUSED = Finding(ConditionType.USER_READY, Reason.USER_TYPE_MISMATCH, "x is a built-in user")


def told(*findings: Finding, previous: tuple[Condition, ...] = ()) -> dict[str, tuple[str, str]]:
    found = conditions(findings, generation=4, previous=previous, now=NOW)
    return {condition.type: (condition.status, condition.reason) for condition in found}


def test_ready_is_true_when_every_layer_holds() -> None:
    assert told(BOUND) == {"Ready": ("True", "Succeeded"), "IAMBound": ("True", "Succeeded")}


def test_a_waiting_layer_makes_ready_false_and_reconciling_true() -> None:
    assert told(BOUND, USER_WAITS) == {
        "Ready": ("False", "InstanceStopped"),
        "Reconciling": ("True", "InstanceStopped"),
        "IAMBound": ("True", "Succeeded"),
        "UserReady": ("False", "InstanceStopped"),
    }


def test_a_layer_that_needs_an_edit_makes_stalled_true_and_never_reconciling() -> None:
    assert told(USER_REFUSED) == {
        "Ready": ("False", "UserTypeMismatch"),
        "Stalled": ("True", "UserTypeMismatch"),
        "UserReady": ("False", "UserTypeMismatch"),
    }


def test_a_finding_that_belongs_to_no_layer_shows_once() -> None:
    unreadable = Finding(ConditionType.READY, Reason.INVALID_SPEC, "spec.principal: is missing")

    assert told(unreadable) == {"Ready": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")}


def test_suspension_shows_as_a_true_condition() -> None:
    suspended = Finding(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true")

    assert told(suspended)["Suspended"] == ("True", "Suspended")
    assert told(suspended)["Ready"] == ("False", "Suspended")


def test_an_expired_grant_is_ready_because_expiry_was_declared() -> None:
    expired = Finding(ConditionType.GRANTS_APPLIED, Reason.EXPIRED, "expired at 2026-01-01T00:00:00Z")

    assert told(expired)["Ready"] == ("True", "Expired")


def test_the_transition_time_moves_only_when_the_status_flips() -> None:
    before = (
        Condition("Ready", "False", "Progressing", "", 3, THEN),
        Condition("IAMBound", "True", "Succeeded", "", 3, THEN),
    )

    after = {c.type: c for c in conditions((BOUND,), generation=4, previous=before, now=NOW)}

    assert after["Ready"].since == NOW
    assert after["IAMBound"].since == THEN
    assert after["IAMBound"].observed_generation == 4


def test_every_reason_has_a_text_of_its_own() -> None:
    texts = [str(reason) for reason in Reason]

    assert len(texts) == len(set(texts))
