"""What it means when Google's connector gives no connection, and that no token is told with it."""

from typing import Any

import aiohttp
import pytest
from google.auth import exceptions as untyped
from google.cloud.sql.connector import exceptions as connector
from yarl import URL

from cloudsql_iam_operator.adapters.postgres.connector_failures import CONNECTOR_ERRORS, connector_failure

exceptions: Any = untyped
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
    failure = connector_failure("acme:eu:orders", error)

    assert isinstance(error, CONNECTOR_ERRORS)
    assert str(failure.reason) == reason
    assert "acme:eu:orders" in failure.message
    assert TOKEN[5:20] not in failure.message
