"""The credentials that this process was given: a key, federation, impersonation by either, or the metadata server's."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google.auth
from google.auth import compute_engine, identity_pool, impersonated_credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.oauth2 import service_account

from cloudsql_iam_operator.adapters.google.credential_errors import METADATA, no_credentials, no_token
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, account_path
from cloudsql_iam_operator.adapters.google.metadata import here
from cloudsql_iam_operator.adapters.google.web_proxy import ask_metadata_directly
from cloudsql_iam_operator.core.askers import Asker, workload_member

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
OWN = "the operator's own identity"
POOL_SUFFIX = ".svc.id.goog"

_PUBLIC = Endpoints()


def application_credentials(endpoints: Endpoints) -> Any:
    """Application Default Credentials, with every address in them that the endpoints replace.

    Raises:
        NotYet: there are none, or none that can be used.
    Source: google-auth, Application Default Credentials
    """
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    ask_metadata_directly()
    try:
        if not path:
            credentials, _ = google.auth.default(scopes=SCOPES)
            return credentials
        return _loaded(json.loads(Path(path).read_text(encoding="utf-8")), endpoints)
    except (GoogleAuthError, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if path or type(error) is not DefaultCredentialsError:
            raise no_token(Asker("", f"file {path}"), "act as the operator", error) from None
        raise no_credentials("act as the operator") from None


def asker_of(credentials: Any, origin: str = "") -> Asker:
    """As whom these credentials ask, as far as they tell by now; `origin` is where they came from, when it is known.

    Those of a metadata server tell with the first token, those of a person never.
    """
    email = str(getattr(credentials, "service_account_email", "") or "")
    if isinstance(credentials, compute_engine.Credentials):
        origin = METADATA
    if email.endswith(POOL_SUFFIX):
        return Asker(workload_member(email, *here()), origin)
    if "@" in email:
        return Asker(f"serviceAccount:{email}", origin)
    told = getattr(credentials, "info", None)
    audience = str(told.get("audience", "")) if isinstance(told, Mapping) else ""
    pool, found, _ = audience.partition("/providers/")
    return Asker(f"principal:{pool}/subject/SUBJECT" if found else "", origin)


def own_origin() -> str:
    """Where the credentials of this process come from, when no metadata server gives them."""
    path = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    return f"file {path}" if path else "gcloud's application default credentials"


def impersonated_from(source: Any, email: str, endpoints: Endpoints, delegates: Any = None) -> Any:
    """Credentials of a service account that the source may act as."""
    make: Any = impersonated_credentials.Credentials
    return make(
        source_credentials=source,
        target_principal=email,
        target_scopes=list(SCOPES),
        delegates=delegates,
        quota_project_id=quota_project(),
        iam_endpoint_override=f"{endpoints.iam_credentials}/v1/{account_path(email)}:generateAccessToken",
    )


def quota_project() -> str | None:
    """The project that calls are charged to; None leaves it to the identity's own."""
    return os.environ.get("GOOGLE_CLOUD_QUOTA_PROJECT") or None


def _loaded(info: Mapping[str, Any], endpoints: Endpoints) -> Any:
    """Credentials of a file. Project ids are not looked up: that would ask Google before anything is needed."""
    kind = info["type"]
    if kind == "impersonated_service_account":
        email = info["service_account_impersonation_url"].rpartition("/serviceAccounts/")[2].partition(":")[0]
        source = _loaded(info["source_credentials"], endpoints)
        return impersonated_from(source, email, endpoints, info.get("delegates"))
    if kind == "service_account":
        told = {**info, **({"token_uri": endpoints.oauth_token} if endpoints.oauth_token else {})}
        make: Any = service_account.Credentials.from_service_account_info
        return make(told, scopes=SCOPES, quota_project_id=quota_project())
    if kind == "external_account" and not str(info.get("subject_token_type", "")).endswith(":aws4_request"):
        return _federated(info, endpoints)
    load: Any = google.auth.load_credentials_from_dict
    credentials, _ = load(dict(info), scopes=SCOPES, quota_project_id=quota_project())
    return credentials


def _federated(info: Mapping[str, Any], endpoints: Endpoints) -> Any:
    told = dict(info)
    if endpoints.sts_token:
        told["token_url"] = endpoints.sts_token
    address = str(told.get("service_account_impersonation_url") or "")
    if address.startswith(f"{_PUBLIC.iam_credentials}/"):
        told["service_account_impersonation_url"] = endpoints.iam_credentials + address.removeprefix(
            _PUBLIC.iam_credentials
        )
    if "executable" in (told.get("credential_source") or {}):
        raise DefaultCredentialsError("a program that is run for each token is not supported")  # type: ignore[no-untyped-call]
    if quota_project():
        told["quota_project_id"] = quota_project()
    make: Any = identity_pool.Credentials.from_info
    return make(told, scopes=SCOPES)
