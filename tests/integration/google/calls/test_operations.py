"""How operations of the Cloud SQL Admin API are followed to their end: prepared answers for the real client."""

from typing import Any

from cloudsql_iam_operator.adapters.google.operations import Patience
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.calls.orders import CHECKOUT, DONE, ORDERS
from integration.google.stand_in import Google, failure_of


def test_an_operation_is_polled_after_1_2_4_8_16_and_then_every_20_seconds_for_10_minutes(stand_in: Google) -> None:
    slept: list[float] = []
    admin = SQLAdmin(stand_in.endpoints, stand_in.caller, Patience(sleep=slept.append))
    stand_in.says(200, {**DONE, "status": "RUNNING"})

    failure = failure_of(admin.insert_user, ORDERS, CHECKOUT)

    assert slept[:7] == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0, 20.0]
    assert 600 <= sum(slept) < 620
    assert failure.reason is Reason.OPERATION_IN_PROGRESS


def test_an_operation_that_is_done_may_still_have_failed(stand_in: Google, admin: SQLAdmin) -> None:
    errors = [{"kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": "it broke"}]
    stand_in.says(200, {**DONE, "error": {"errors": errors}})

    failure = failure_of(admin.insert_user, ORDERS, CHECKOUT)

    assert (failure.reason, type(failure)) == (Reason.OPERATION_FAILED, NotYet)
    assert "it broke" in failure.message


def test_an_operation_that_failed_without_a_message_keeps_its_code(stand_in: Google, admin: SQLAdmin) -> None:
    told: list[dict[str, Any]] = [{"errors": [{"code": "INTERNAL_ERROR"}]}, {"errors": []}, {"odd": 1}]
    for error in told:
        stand_in.says(200, {**DONE, "error": error})

    said = [failure_of(admin.insert_user, ORDERS, CHECKOUT).message.rpartition(": ")[2] for _ in range(3)]

    assert said == ["INTERNAL_ERROR, without a message", "UNKNOWN, without a message", "UNKNOWN, without a message"]
