"""Why the operator has no access token, in words of its own: what the libraries say may hold a token."""

import os
import shlex

import httplib2
from google.api_core.universe import EmptyUniverseError, UniverseMismatchError
from google.auth.exceptions import ClientCertError, DefaultCredentialsError, MutualTLSChannelError, TransportError

from cloudsql_iam_operator.adapters.google.answers import api_disabled
from cloudsql_iam_operator.adapters.google.metadata import here, metadata_host, workload_pool
from cloudsql_iam_operator.adapters.google.web_proxy import NotThrough
from cloudsql_iam_operator.core.askers import Asker, Need, on_impersonation, on_workload_identity, workload_member
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.gcloud import gcloud
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
    "iam.serviceAccounts.getAccessToken",
    "Gaia id not found",
    "Status: 403",
    "Status: 404",
)
"""All that is ever repeated of an answer about tokens.

Source: RFC 6749 and 8693, google.rpc.Code, google.api.ErrorReason; what GKE's metadata server answers
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

_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    (
        _UNIVERSE,
        "the universe domain that is set is not the credentials': set the chart's value operator.universeDomain",
    ),
    (_CERTIFICATE, "the client certificate that the environment asks for cannot be used"),
    ((DefaultCredentialsError,), "the credentials that are set up cannot be used: write the file anew"),
)

METADATA = "metadata server"
IMPERSONATED = "impersonated by "


def no_token(asker: Asker, purpose: str, error: BaseException) -> NotYet:
    """The verdict on an identity that has no access token, or none that Google's client would send.

    Only words that are listed here and the error's type are taken from the error, and what a web proxy refuses with.
    """
    said = _said(error)
    reason = next((_REASONS[word] for word in said if word in _REASONS), _by_type(error, asker))
    told = str(error) if isinstance(error, NotThrough) else ", ".join((type(error).__name__, *said))
    return NotYet(reason, f"no access token for {asker}, needed to: {purpose} ({told}); {_remedy(asker, error, said)}")


def no_credentials(purpose: str) -> NotYet:
    """The verdict on a process that has no Google identity at all: where one was looked for, and how to give it one."""
    namespace, name = here()
    account = "operator@PROJECT.iam.gserviceaccount.com"
    annotate = ["kubectl", "annotate", "serviceaccount", name, f"--namespace={namespace}"]
    command = shlex.join([*annotate, f"iam.gke.io/gcp-service-account={account}"])
    bind = on_workload_identity(account).to(Asker(workload_member("PROJECT.svc.id.goog", namespace, name)))
    text = (
        f"no Google credentials were found to {purpose}: GOOGLE_APPLICATION_CREDENTIALS names no file, gcloud has none "
        f"and no metadata server answers at {metadata_host()}. On GKE: {bind} and {command} (which the chart does with "
        "operator.serviceAccount.annotations); elsewhere set the chart's value operator.credentials.secret"
    )
    return NotYet(Reason.CREDENTIALS_FAILED, text)


def _said(error: BaseException) -> list[str]:
    text = " ".join(str(argument) for argument in error.args)
    return [word for word in _WORDS if word in text]


def _by_type(error: BaseException, asker: Asker) -> Reason:
    # google.auth has an OSError and a TimeoutError of its own; those are about files
    plain = isinstance(error, _NO_ANSWER) and not isinstance(error, DefaultCredentialsError)
    return Reason.GOOGLE_UNREACHABLE if plain or _unanswered(error, asker) else Reason.CREDENTIALS_FAILED


def _unanswered(error: BaseException, asker: Asker) -> bool:
    """Whether the metadata server could not be asked; google-auth tells that like a refusal."""
    text = " ".join(str(argument) for argument in error.args)
    return asker.origin.startswith(METADATA) and "Status: " not in text and "Compute Engine Metadata server" in text


def _remedy(asker: Asker, error: BaseException, said: list[str]) -> str:
    fixed = next((text for types, text in _BY_TYPE if isinstance(error, types)), "")
    if fixed:
        return fixed
    if "SERVICE_DISABLED" in said:
        return api_disabled("iamcredentials.googleapis.com", _project(asker))
    if asker.origin.startswith(METADATA):
        return _from_metadata(asker, error, said)
    if _by_type(error, asker) is Reason.GOOGLE_UNREACHABLE:
        return "the token endpoint gave no answer: see network policies, and egress to port 443"
    if asker.origin.startswith(IMPERSONATED):
        source, need = Asker(asker.origin.removeprefix(IMPERSONATED)), on_impersonation(asker.email)
        return f"{_lacking(str(source), need)}{need.to(source)}"
    return _refused(asker, said)


def _refused(asker: Asker, said: list[str]) -> str:
    """What helps where Google refuses a key, or the token of another cloud."""
    if "invalid_grant" in said:
        return f"the key was deleted, the federated token is expired, or the clock is wrong{_keys(asker)}"
    return "the credentials were refused; when they are federated, the pool's provider must take the cluster's tokens"


def _lacking(who: str, need: Need) -> str:
    return f"{who} may not act as it, for it lacks {need.permission} on {need.resource}; to give it: "


def _from_metadata(asker: Asker, error: BaseException, said: list[str]) -> str:
    email, account, host = asker.email, "/".join(here()), metadata_host()
    if "Gaia id not found" in said:
        text = f"the annotation iam.gke.io/gcp-service-account of ServiceAccount {account} names {email}"
        return f"{text}, which does not exist: correct it, or: {_created(email)}"
    if "iam.serviceAccounts.getAccessToken" in said or "Status: 403" in said:
        need = on_workload_identity(email or "ACCOUNT")
        return f"{_lacking(f'ServiceAccount {account}', need)}{need.to(Asker(workload_member(_pool(), *here())))}"
    if "Status: 404" in said:
        return "this machine has no service account: give the node one, or use Workload Identity"
    if _by_type(error, asker) is Reason.GOOGLE_UNREACHABLE:
        return f"the metadata server at {host} gave no answer: see network policies, and the node"
    return f"the metadata server at {host} gave no token"


def _created(email: str) -> str:
    name, _, domain = email.partition("@")
    project = domain.removesuffix(".iam.gserviceaccount.com")
    return gcloud("iam", "service-accounts", "create", name, f"--project={project}")


def _keys(asker: Asker) -> str:
    if not asker.email:
        return ""
    return ": " + gcloud("iam", "service-accounts", "keys", "list", f"--iam-account={asker.email}")


def _project(asker: Asker) -> str:
    """The project of an account by its name, to which calls of that account are charged; "" when it tells none."""
    domain = asker.email.partition("@")[2]
    return domain.removesuffix(".iam.gserviceaccount.com") if domain.endswith(".iam.gserviceaccount.com") else ""


def _pool() -> str:
    try:
        return workload_pool(os.environ.get("WORKLOAD_POOL", ""))()
    except NotYet:
        return "PROJECT.svc.id.goog"
