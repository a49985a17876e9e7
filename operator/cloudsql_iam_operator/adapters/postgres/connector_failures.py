"""What it means when Google's connector gives no connection. What PostgreSQL says to a login is elsewhere."""

from http import HTTPStatus

import aiohttp
from google.auth.exceptions import GoogleAuthError
from google.cloud.sql.connector import exceptions as connector

from cloudsql_iam_operator.adapters.google.credential_errors import no_token
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.excerpts import excerpt
from cloudsql_iam_operator.core.reasons import Reason

_MISREAD = (KeyError, TypeError, AttributeError, UnboundLocalError)
"""What the connector dies of when an answer is not as documented, or no JSON."""

CONNECTOR_ERRORS = (
    aiohttp.ClientError,
    GoogleAuthError,
    OSError,
    TimeoutError,
    ValueError,
    *_MISREAD,
    connector.AutoIAMAuthNotSupported,
    connector.CacheClosedError,
    connector.ClosedConnectorError,
    connector.CloudSQLConnectionError,
    connector.CloudSQLIPTypeError,
    connector.DnsResolutionError,
    connector.IncompatibleDriverError,
    connector.RefreshNotValidError,
    connector.TLSVersionError,
)
"""All that the connector raises when something outside is not as it should be."""


def connector_failure(instance: str, error: Exception) -> NotYet:
    """The verdict on an instance that the connector gives no connection to."""
    if isinstance(error, GoogleAuthError) or "universe domain" in str(error):
        return no_token("the identity that administers it", f"log in to {instance}", error)
    if isinstance(error, aiohttp.ClientResponseError):
        return _answered(instance, error)
    if isinstance(error, _MISREAD):
        text = f"the connector cannot read what Google answered about {instance} ({type(error).__name__})"
        return NotYet(Reason.UNEXPECTED_ANSWER, text)
    said = excerpt(str(error)) or "no reason was given"
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: {type(error).__name__}: {said}")


def _answered(instance: str, error: aiohttp.ClientResponseError) -> NotYet:
    # only its status and message: the error's own text carries the whole URL
    said = excerpt(error.message)
    if "vpcServiceControls" in error.message:
        text = f"a service perimeter keeps the operator from {instance}: {said}"
        return NotYet(Reason.VPC_SERVICE_CONTROLS, text)
    if error.status == HTTPStatus.FORBIDDEN:
        text = (
            f"no client certificate for {instance}: {said}: the operator's account needs cloudsql.instances.connect "
            "and cloudsql.instances.get"
        )
        return NotYet(Reason.ADMIN_PERMISSION_DENIED, text)
    if error.status == HTTPStatus.TOO_MANY_REQUESTS:
        return NotYet(Reason.QUOTA_EXCEEDED, f"no client certificate for {instance}: {said}")
    return NotYet(Reason.DATABASE_UNREACHABLE, f"{instance} cannot be reached: Google answered {error.status}: {said}")
