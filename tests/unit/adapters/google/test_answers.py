"""How long Google asks to be left alone, and what is said of an identity without a token."""

import json
from datetime import UTC, datetime
from typing import Any

import httplib2
import pytest
from google.auth import exceptions as untyped

from cloudsql_iam_operator.adapters.google.answers import retry_after
from cloudsql_iam_operator.adapters.google.credential_errors import no_token
from cloudsql_iam_operator.core.askers import Asker
from cloudsql_iam_operator.core.reasons import Reason

exceptions: Any = untyped
NOW = datetime(2026, 11, 26, 14, 0, 0, tzinfo=UTC)
TOKEN = "ya29.a0AfB_byC1234567890abcdefghijKLMNOP"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("17", 17.0),
        ("Thu, 26 Nov 2026 14:00:07 GMT", 7.0),
        ("Thu, 26 Nov 2026 13:00:00 GMT", 0.0),
        ("Thu, 26 Nov 2026 14:00:07 -0000", 7.0),
        ("999999999", 600.0),
        ("Fri, 26 Nov 2027 14:00:00 GMT", 600.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_for_ever(told: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": told}, NOW) == seconds


def test_no_part_of_a_token_is_repeated_from_an_answer_that_google_auth_cannot_read() -> None:
    body = json.dumps({"accessToken": TOKEN, "expireTime": "2026-11-26T14:00:00.123456Z"})
    unreadable = exceptions.RefreshError("No access token or invalid expiration in response.", body)

    failure = no_token(Asker("serviceAccount:robot@acme"), "list users", unreadable)

    assert failure.message.startswith("no access token for robot@acme, needed to: list users (RefreshError); ")
    assert TOKEN[:12] not in failure.message


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            exceptions.RefreshError("x", '{"error": {"code": 403, "status": "PERMISSION_DENIED"}}'),
            "GoogleCredentialsFailed",
        ),
        (exceptions.RefreshError("x", '{"details": [{"reason": "SERVICE_DISABLED"}]}'), "APIDisabled"),
        (exceptions.RefreshError("x", '{"details": [{"reason": "SECURITY_POLICY_VIOLATED"}]}'), "VPCServiceControls"),
        (exceptions.OAuthError("Error code invalid_target: the audience"), "GoogleCredentialsFailed"),
        (exceptions.TransportError(f"Failed to retrieve http://metadata?x={TOKEN}"), "GoogleUnreachable"),
        (exceptions.DefaultCredentialsError("none"), "GoogleCredentialsFailed"),
        (exceptions.MutualTLSChannelError("x"), "GoogleCredentialsFailed"),
        (httplib2.ServerNotFoundError("x"), "GoogleUnreachable"),
        (ConnectionResetError(), "GoogleUnreachable"),
        (TypeError("list indices must be integers"), "GoogleCredentialsFailed"),
    ],
)
def test_each_failure_to_get_a_token_has_a_reason(error: Exception, reason: str) -> None:
    failure = no_token(Asker("", "file /key.json"), "list users", error)

    assert str(failure.reason) == reason
    assert type(error).__name__ in failure.message
    assert TOKEN not in failure.message
    assert failure.reason in Reason
