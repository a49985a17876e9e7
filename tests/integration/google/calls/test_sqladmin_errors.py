"""What errors of the Cloud SQL Admin API mean, by their words: prepared answers for the real client."""

import pytest

from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.calls.orders import CHECKOUT, ORDERS
from integration.google.stand_in import Google, failure_of


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (
            400,
            "Invalid request: Provided CLOUD_IAM_SERVICE_ACCOUNT: x.gserviceaccount.com, does not exist.",
            (Reason.PRINCIPAL_NOT_FOUND, Refused),
        ),
        (400, "Invalid request: IAM Group Authentication is disabled.", (Reason.IAM_AUTHENTICATION_DISABLED, Refused)),
        (400, "Invalid request: Invalid request since instance is not running.", (Reason.INSTANCE_STOPPED, NotYet)),
        (400, 'failed to update user "x": role "app_ro" does not exist.', (Reason.ROLE_NOT_FOUND, NotYet)),
        (400, "something new", (Reason.UNEXPECTED_ANSWER, NotYet)),
        (404, "not what you asked for", (Reason.UNEXPECTED_ANSWER, NotYet)),
        (403, "The client is not authorized to make this request.", (Reason.ADMIN_PERMISSION_DENIED, NotYet)),
        (
            409,
            "Operation failed because another operation was already in progress.",
            (Reason.OPERATION_IN_PROGRESS, NotYet),
        ),
        (503, "Service unavailable", (Reason.GOOGLE_UNREACHABLE, NotYet)),
    ],
)
def test_each_known_text_of_the_admin_api_has_its_reason(
    stand_in: Google, admin: SQLAdmin, code: int, message: str, expected: tuple[Reason, type]
) -> None:
    stand_in.refuses(code, message)

    failure = failure_of(admin.insert_user, ORDERS, CHECKOUT)

    assert (failure.reason, type(failure)) == expected
    assert "checkout@acme-prod.iam" in failure.message
    assert "t0ken" not in failure.message


@pytest.mark.parametrize(
    ("code", "word", "reason"),
    [
        (409, "operationInProgress", Reason.OPERATION_IN_PROGRESS),
        (403, "operationInProgress", Reason.OPERATION_IN_PROGRESS),
        (409, "invalidState", Reason.INSTANCE_NOT_READY),
        (404, "instanceDoesNotExist", Reason.INSTANCE_NOT_FOUND),
        (403, "notAuthorized", Reason.ADMIN_PERMISSION_DENIED),
        (412, "staleData", Reason.UNEXPECTED_ANSWER),
    ],
)
def test_each_known_word_of_the_admin_api_has_its_reason(
    stand_in: Google, admin: SQLAdmin, code: int, word: str, reason: Reason
) -> None:
    stand_in.refuses(code, "Something about it.", word)

    assert failure_of(admin.insert_user, ORDERS, CHECKOUT).reason is reason


def test_a_missing_instance_is_told_with_what_would_help(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.refuses(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")

    failure = failure_of(admin.users, ORDERS)

    assert failure.message == (
        "could not list the users of instance acme-prod:europe-west1:orders: "
        "The Cloud SQL instance does not exist.; create it, or correct spec.connectionName"
    )


def test_a_missing_permission_is_named(stand_in: Google, admin: SQLAdmin) -> None:
    stand_in.refuses(403, "The client is not authorized to make this request.", "notAuthorized")

    failure = failure_of(admin.users, ORDERS)

    assert failure.message == (
        "Google answered 403 to: list the users of instance acme-prod:europe-west1:orders; asked as the operator's own "
        "identity, which lacks cloudsql.users.list on project acme-prod, or on instance orders by condition (the "
        "command gives the role of docs/permissions.md, which must hold it); to give it: gcloud projects "
        "add-iam-policy-binding acme-prod --role=projects/acme-prod/roles/cloudsqlIamOperator --condition=None "
        "--member=MEMBER. Google said: The client is not authorized to make this request."
    )
