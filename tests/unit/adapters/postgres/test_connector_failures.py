"""What it means when Google's connector gives no connection, and that no token is told with it."""

from typing import Any

import aiohttp
import pytest
from google.auth import exceptions as untyped
from google.cloud.sql.connector import exceptions as connector
from yarl import URL

from cloudsql_iam_operator.adapters.postgres.connector_failures import (
    CONNECTOR_ERRORS,
    Login,
    connector_failure,
    login_failure,
)
from cloudsql_iam_operator.core.askers import Asker

exceptions: Any = untyped
OPERATOR = Asker("serviceAccount:operator@acme.iam.gserviceaccount.com")
TOKEN = "ya29.a0AfB_byC1234567890abcdefghijKLMNOP"


def answered(status: int, message: str) -> aiohttp.ClientResponseError:
    url: Any = URL(f"https://sqladmin.googleapis.com/x?token={TOKEN}")
    info = aiohttp.RequestInfo(url, "GET", {}, url)  # type: ignore[arg-type] # no headers
    return aiohttp.ClientResponseError(info, (), status=status, message=message)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (exceptions.RefreshError("invalid expiration", f'{{"accessToken": "{TOKEN}"}}'), "GoogleCredentialsFailed"),
        (exceptions.TransportError(f"http://metadata/{TOKEN}"), "GoogleUnreachable"),
        (
            ValueError("The configured universe domain (x) does not match the universe domain found"),
            "GoogleCredentialsFailed",
        ),
        (ValueError("[p:r:i]: Provided region was mismatched - got region r, expected q."), "DatabaseUnreachable"),
        (KeyError("ephemeralCert"), "UnexpectedAnswer"),
        (TypeError("list indices must be integers"), "UnexpectedAnswer"),
        (answered(403, "The client is not authorized"), "AdminPermissionDenied"),
        (answered(403, f"vpcServiceControlsUniqueIdentifier: {TOKEN}"), "VPCServiceControls"),
        (answered(404, "The Cloud SQL instance does not exist."), "DatabaseUnreachable"),
        (answered(429, "Quota exceeded"), "QuotaExceeded"),
        (connector.CloudSQLIPTypeError("no PSC address"), "DatabaseUnreachable"),
        (ConnectionResetError("reset"), "DatabaseUnreachable"),
        (TimeoutError(), "DatabaseUnreachable"),
    ],
)
def test_each_failure_of_the_connector_has_a_reason_and_shows_no_token(error: Exception, reason: str) -> None:
    failure = connector_failure(Login("acme:eu:orders", "operator@acme.iam", "orders", OPERATOR), error)

    assert isinstance(error, CONNECTOR_ERRORS)
    assert str(failure.reason) == reason
    assert "acme:eu:orders" in failure.message
    assert TOKEN[5:20] not in failure.message


def test_who_asked_and_what_gives_the_connector_its_certificate_is_told() -> None:
    failure = connector_failure(Login("acme:eu:orders", "operator@acme.iam", "x", OPERATOR), answered(403, "no"))

    assert failure.message == (
        "no client certificate for acme:eu:orders; asked as operator@acme.iam.gserviceaccount.com, which lacks "
        "cloudsql.instances.connect and cloudsql.instances.get on project acme, or on instance orders by condition "
        "(the command gives the role of docs/permissions.md, which must hold it); to give it: gcloud projects "
        "add-iam-policy-binding acme --role=projects/acme/roles/cloudsqlIamOperator --condition=None "
        "--member=serviceAccount:operator@acme.iam.gserviceaccount.com. Google said: no"
    )


WAY = 'connection failed: connection to server on socket "/tmp/x/.s.PGSQL.3307" failed: FATAL:  '


@pytest.mark.parametrize(
    ("asker", "said", "reason", "told"),
    [
        (
            OPERATOR,
            'Cloud SQL IAM service account authentication failed for user "u"',
            "DatabaseLoginFailed",
            "the user exists; asked as operator@acme.iam.gserviceaccount.com, which lacks cloudsql.instances.login on "
            "project acme; to give it: gcloud projects add-iam-policy-binding acme --role=roles/cloudsql.instanceUser "
            "--condition=None --member=serviceAccount:operator@acme.iam.gserviceaccount.com, which takes minutes",
        ),
        (
            OPERATOR,
            'password authentication failed for user "u"',
            "DatabaseLoginFailed",
            "to make it: gcloud sql users create operator@acme.iam --instance=orders --project=acme "
            "--type=CLOUD_IAM_SERVICE_ACCOUNT",
        ),
        (
            None,
            'password authentication failed for user "u"',
            "DatabaseLoginFailed",
            "to set it: gcloud sql users set-password operator@acme.iam --instance=orders --project=acme "
            "--prompt-for-password",
        ),
        (OPERATOR, "sorry, too many clients already", "DatabaseUnreachable", "cannot be reached: sorry"),
        (OPERATOR, 'database "orders" does not exist', "DatabaseNotFound", "create it"),
        (OPERATOR, 'permission denied for database "orders"', "DatabaseLoginFailed", "grant it CONNECT"),
    ],
)
def test_a_refused_login_tells_what_lets_it_in(asker: Asker | None, said: str, reason: str, told: str) -> None:
    failure = login_failure(Login("acme:eu:orders", "operator@acme.iam", "orders", asker), WAY + said)

    assert str(failure.reason) == reason
    assert told in failure.message
    assert "/tmp/x" not in failure.message
