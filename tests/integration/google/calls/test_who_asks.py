"""Whatever the operator's identity lacks: who asked, what is missing on what, and the whole command that gives it."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloudsql_iam_operator.adapters.cluster.events import NOTICE_LENGTH
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.calls.processes import key_file, listed
from integration.google.stand_in import Google

OPERATOR = "operator@acme-prod.iam.gserviceaccount.com"
ROBOT = "robot@acme-prod.iam.gserviceaccount.com"
METADATA = f"{OPERATOR} (metadata server)"
KEY = f"{OPERATOR} (file "
FLAVOR = {"Metadata-Flavor": "Google"}
NOT_BOUND = (
    "Unable to generate access token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' "
    "denied on resource (or it may not exist).\nSee https://cloud.google.com/kubernetes-engine/docs/how-to/x#y\n"
)
NO_ACCOUNT = "Unable to generate access token; IAM returned 404 Not Found: Not found; Gaia id not found for email x@y"
BIND = "gcloud iam service-accounts add-iam-policy-binding"
ROLE = (
    "gcloud projects add-iam-policy-binding acme-prod --role=projects/acme-prod/roles/cloudsqlIamOperator "
    "--condition=None --member="
)


def refused(reason: str, message: str = "no", cause: str = "", **metadata: str) -> tuple[int, object, dict[str, str]]:
    error: dict[str, Any] = {"code": 403, "message": message, "errors": [{"reason": reason, "message": message}]}
    if cause:
        error["details"] = [{"reason": cause, "metadata": metadata}]
    return 403, {"error": error}, {}


def account(email: str) -> dict[str, Any]:
    told = {"email": email, "scopes": [], "aliases": ["default"]}
    return {"/service-accounts/default/?": (200, told, {**FLAVOR, "Content-Type": "application/json"})}


@dataclass(frozen=True, slots=True)
class Case:
    """What is wrong: how the process is set up, what Google answers, and what the message says of it."""

    way: str
    reason: Reason
    who: str
    command: str
    answers: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


CASES = {
    "no credentials at all": Case(
        "none",
        Reason.CREDENTIALS_FAILED,
        "no Google credentials were found",
        f"{BIND} operator@PROJECT.iam.gserviceaccount.com --role=roles/iam.workloadIdentityUser "
        "--member='serviceAccount:PROJECT.svc.id.goog[csql/operator]'",
    ),
    "no metadata server": Case(
        "none",
        Reason.CREDENTIALS_FAILED,
        "no metadata server answers at 127.0.0.1:9",
        "kubectl annotate serviceaccount operator --namespace=csql "
        "iam.gke.io/gcp-service-account=operator@PROJECT.iam.gserviceaccount.com",
        environment={"NO_GCE_CHECK": "", "GCE_METADATA_HOST": "127.0.0.1:9", "GCE_METADATA_IP": "127.0.0.1:9"},
    ),
    "a key that was deleted": Case(
        "key",
        Reason.CREDENTIALS_FAILED,
        KEY,
        f"gcloud iam service-accounts keys list --iam-account={OPERATOR}",
        {"/oauth/token": (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, {})},
    ),
    "a node's own account without scopes": Case(
        "metadata",
        Reason.CREDENTIALS_FAILED,
        "123-compute@developer.gserviceaccount.com (metadata server)",
        "gcloud container node-pools update POOL --cluster=CLUSTER --location=LOCATION "
        "--workload-metadata=GKE_METADATA",
        {
            **account("123-compute@developer.gserviceaccount.com"),
            "/users": refused("insufficientPermissions", cause="ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
        },
    ),
    "a pod whose ServiceAccount names no Google account": Case(
        "metadata",
        Reason.ADMIN_PERMISSION_DENIED,
        "serviceAccount:acme-prod.svc.id.goog[csql/operator] (metadata server)",
        f"{ROLE}'serviceAccount:acme-prod.svc.id.goog[csql/operator]'",
        {**account("acme-prod.svc.id.goog"), "/users": refused("notAuthorized")},
    ),
    "Workload Identity that is not bound": Case(
        "metadata",
        Reason.CREDENTIALS_FAILED,
        METADATA,
        f"lacks iam.serviceAccounts.getAccessToken on {OPERATOR}; to give it: {BIND} {OPERATOR} "
        "--role=roles/iam.workloadIdentityUser --member='serviceAccount:acme-prod.svc.id.goog[csql/operator]'",
        {"/default/token": (403, NOT_BOUND.encode(), FLAVOR)},
    ),
    "Workload Identity of an account that does not exist": Case(
        "metadata",
        Reason.CREDENTIALS_FAILED,
        METADATA,
        "gcloud iam service-accounts create operator --project=acme-prod",
        {"/default/token": (404, NO_ACCOUNT.encode(), FLAVOR)},
    ),
    "impersonation that is refused": Case(
        "key",
        Reason.CREDENTIALS_FAILED,
        f"{ROBOT} (impersonated by serviceAccount:{OPERATOR})",
        f"lacks iam.serviceAccounts.getAccessToken on {ROBOT}; to give it: {BIND} {ROBOT} "
        f"--role=roles/iam.serviceAccountTokenCreator --member=serviceAccount:{OPERATOR}",
        {"generateAccessToken": refused("forbidden", "PERMISSION_DENIED")},
        {"IMPERSONATE": ROBOT},
    ),
    "impersonation by an identity that has no token itself": Case(
        "metadata",
        Reason.CREDENTIALS_FAILED,
        METADATA,
        f"{BIND} {OPERATOR} --role=roles/iam.workloadIdentityUser",
        {"/default/token": (403, NOT_BOUND.encode(), FLAVOR)},
        {"IMPERSONATE": ROBOT},
    ),
    "impersonation while its API is off": Case(
        "key",
        Reason.API_DISABLED,
        f"{ROBOT} (impersonated by serviceAccount:{OPERATOR})",
        "gcloud services enable iamcredentials.googleapis.com --project=acme-prod",
        {"generateAccessToken": refused("forbidden", "IAM API is off", "SERVICE_DISABLED")},
        {"IMPERSONATE": ROBOT},
    ),
    "a role that is missing": Case(
        "key",
        Reason.ADMIN_PERMISSION_DENIED,
        KEY,
        f"{ROLE}serviceAccount:{OPERATOR}",
        {"/users": refused("notAuthorized", "The client is not authorized to make this request.")},
    ),
    "a role that the impersonated account misses": Case(
        "key",
        Reason.ADMIN_PERMISSION_DENIED,
        f"{ROBOT} (impersonated by serviceAccount:{OPERATOR})",
        f"{ROLE}serviceAccount:{ROBOT}",
        {"/users": refused("notAuthorized", "The client is not authorized to make this request.")},
        {"IMPERSONATE": ROBOT},
    ),
    "an API that is off": Case(
        "key",
        Reason.API_DISABLED,
        KEY,
        "gcloud services enable sqladmin.googleapis.com --project=123456789012",
        {
            "/users": refused(
                "forbidden",
                "Cloud SQL Admin API has not been used in project 123456789012 before or it is disabled. Enable it by "
                f"visiting https://console.developers.google.com/apis/api/sqladmin?{'x' * 300} then retry.",
                "SERVICE_DISABLED",
                consumer="projects/123456789012",
                service="sqladmin.googleapis.com",
            )
        },
    ),
    "an API that is off, in older words": Case(
        "key",
        Reason.API_DISABLED,
        KEY,
        "gcloud services enable sqladmin.googleapis.com --project=123456789012",
        {"/users": refused("accessNotConfigured", "Access not configured in project 123456789012. Please visit x.")},
    ),
    "a quota project that may not be charged": Case(
        "key",
        Reason.QUOTA_PROJECT_DENIED,
        KEY,
        "gcloud projects add-iam-policy-binding acme-quota --role=roles/serviceusage.serviceUsageConsumer "
        f"--condition=None --member=serviceAccount:{OPERATOR}",
        {"/users": refused("forbidden", cause="USER_PROJECT_DENIED", consumer="projects/acme-quota")},
    ),
    "a project without billing": Case(
        "key",
        Reason.BILLING_DISABLED,
        KEY,
        "gcloud billing projects link acme-prod --billing-account=ACCOUNT",
        {"/users": refused("forbidden", cause="BILLING_DISABLED", consumer="projects/acme-prod")},
    ),
    "a consumer that is no name": Case(
        "key",
        Reason.BILLING_DISABLED,
        KEY,
        "gcloud billing projects link PROJECT --billing-account=ACCOUNT",
        {"/users": refused("forbidden", cause="BILLING_DISABLED", consumer="projects/$(rm -rf /)")},
    ),
    "a service perimeter": Case(
        "key",
        Reason.VPC_SERVICE_CONTROLS,
        KEY,
        "let it through the service perimeter",
        {"/users": refused("forbidden", cause="SECURITY_POLICY_VIOLATED")},
    ),
    "a token that Google does not take": Case(
        "key",
        Reason.CREDENTIALS_FAILED,
        KEY,
        f"gcloud iam service-accounts describe {OPERATOR}",
        {"/users": (401, {"error": {"code": 401, "message": "Invalid", "status": "UNAUTHENTICATED"}}, {})},
    ),
}
"""What may be wrong with an identity: reason, who asked, and what helps."""


def usual(stand_in: Google) -> dict[str, Any]:
    token = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
    text = {**FLAVOR, "Content-Type": "text/plain"}
    return {
        "/oauth/token": (200, token, {}),
        "generateAccessToken": (200, {"accessToken": "other", "expireTime": "2999-01-01T00:00:00Z"}, {}),
        "/default/token": (200, token, {**FLAVOR, "Content-Type": "application/json"}),
        "/universe/": (200, b"googleapis.com", text),
        "/project-id": (200, b"acme-prod", text),
        **account(OPERATOR),
    }


def environment(way: str, stand_in: Google, directory: Path) -> dict[str, str]:
    host = stand_in.address.removeprefix("http://")
    if way == "metadata":
        return {"NO_GCE_CHECK": "", "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    if way == "key":
        (directory / "key.json").write_text(json.dumps(key_file()))
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(directory / "key.json")}
    return {}


@pytest.mark.parametrize("name", sorted(CASES))
def test_what_an_identity_lacks_is_told_with_the_command_that_gives_it(
    stand_in: Google, tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    stand_in.routes = {**case.answers, **{k: v for k, v in usual(stand_in).items() if k not in case.answers}}
    stand_in.says(200, b"computeMetadata/\n", Metadata_Flavor="Google")
    here = {"POD_NAMESPACE": "csql", "POD_SERVICE_ACCOUNT": "operator", **environment(case.way, stand_in, tmp_path)}

    printed = listed(stand_in, **here, **case.environment).strip()

    reason, _, message = printed.partition(": ")
    assert reason == str(case.reason), printed
    assert case.who in message
    assert case.command in message
    assert message.index(case.command) + len(case.command) <= NOTICE_LENGTH
    assert "t0ken" not in message
    assert "://…" not in message
    assert not message.endswith("xx…")
