"""Why the operator has no access token, in words of its own: what the libraries say may hold a token."""

import httplib2
from google.api_core.universe import EmptyUniverseError, UniverseMismatchError
from google.auth.exceptions import ClientCertError, DefaultCredentialsError, MutualTLSChannelError, TransportError

from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason

_WORDS = (
    "invalid_grant",
    "invalid_client",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
    "unauthorized_client",
    "unsupported_grant_type",
    "access_denied",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "SERVICE_DISABLED",
    "BILLING_DISABLED",
    "USER_PROJECT_DENIED",
    "SECURITY_POLICY_VIOLATED",
)
"""All that is ever repeated of an answer about tokens.

Source: RFC 6749 and 8693, google.rpc.Code, google.api.ErrorReason
"""

_REASONS = {
    "SERVICE_DISABLED": Reason.API_DISABLED,
    "BILLING_DISABLED": Reason.BILLING_DISABLED,
    "USER_PROJECT_DENIED": Reason.QUOTA_PROJECT_DENIED,
    "SECURITY_POLICY_VIOLATED": Reason.VPC_SERVICE_CONTROLS,
    "RESOURCE_EXHAUSTED": Reason.QUOTA_EXCEEDED,
    "UNAVAILABLE": Reason.GOOGLE_UNREACHABLE,
}
_NO_ANSWER = (TransportError, httplib2.HttpLib2Error, OSError)
_CERTIFICATE = (ClientCertError, MutualTLSChannelError)
_UNIVERSE = (EmptyUniverseError, UniverseMismatchError)


def no_token(name: str, purpose: str, error: BaseException) -> NotYet:
    """The verdict on an identity that has no access token, or none that Google's client would send.

    Only words that are listed here and the error's type are taken from the error.
    """
    said = _said(error)
    reason = next((_REASONS[word] for word in said if word in _REASONS), _by_type(error))
    told = ", ".join((type(error).__name__, *said))
    return NotYet(reason, f"no access token for {name}, needed to: {purpose} ({told}); {_remedy(error, said)}")


def _said(error: BaseException) -> list[str]:
    text = " ".join(str(argument) for argument in error.args)
    return [word for word in _WORDS if word in text]


def _by_type(error: BaseException) -> Reason:
    # google.auth has an OSError and a TimeoutError of its own; those are about files
    plain = isinstance(error, _NO_ANSWER) and not isinstance(error, DefaultCredentialsError)
    return Reason.GOOGLE_UNREACHABLE if plain else Reason.CREDENTIALS_FAILED


def _remedy(error: BaseException, said: list[str]) -> str:
    if isinstance(error, _UNIVERSE):
        return "the universe domain that is set is not the credentials': set the chart's value operator.universeDomain"
    if isinstance(error, _CERTIFICATE):
        return "the client certificate that the environment asks for cannot be used"
    if isinstance(error, DefaultCredentialsError):
        return "the credentials that are set up cannot be used"
    if _by_type(error) is Reason.GOOGLE_UNREACHABLE:
        return "the metadata server or the token endpoint gave no answer"
    if "invalid_grant" in said:
        return "the key was deleted, the federated token is expired, or the clock is wrong"
    return (
        "when it is impersonated, the operator needs roles/iam.serviceAccountTokenCreator on it; when it is federated, "
        "the pool's provider must take the cluster's tokens"
    )
