"""Answers of Resource Manager and IAM: what they mean, and as whom they are asked; prepared for the real client."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import impersonated
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, endpoints_from
from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict, PolicyRejected, ResourceManager
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts, Workload
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.stand_in import Google, failure_of, identity

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")


@pytest.fixture
def stand_in() -> Iterator[Google]:
    google = Google()
    yield google
    google.stop()


@pytest.fixture
def projects(stand_in: Google) -> ResourceManager:
    return ResourceManager(stand_in.endpoints, stand_in.caller)


def test_a_policy_is_read_and_written_as_version_3_with_its_etag(stand_in: Google, projects: ResourceManager) -> None:
    stored = {"version": 1, "etag": "BwX", "bindings": [{"role": "roles/viewer", "members": ["user:a@x"]}], "new": 1}
    stand_in.says(200, stored)

    policy = projects.get_policy("acme-prod")
    projects.set_policy("acme-prod", policy)

    assert stand_in.asked == [
        (
            "POST",
            "/v3/projects/acme-prod:getIamPolicy?alt=json",
            {"options": {"requestedPolicyVersion": 3}},
        ),
        ("POST", "/v3/projects/acme-prod:setIamPolicy?alt=json", {"policy": {**stored, "version": 3}}),
    ]
    assert stand_in.fences == 1


@pytest.mark.parametrize("code", [409, 412])
def test_a_lost_race_is_told_apart(stand_in: Google, projects: ResourceManager, code: int) -> None:
    stand_in.refuses(code, "There were concurrent policy changes.", "aborted")

    with pytest.raises(PolicyConflict):
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))


@pytest.mark.parametrize(
    ("message", "culprit"),
    [
        ("Service account x@p.iam.gserviceaccount.com does not exist.", "x@p.iam.gserviceaccount.com"),
        ("User Ann@acme.com does not exist.", "ann@acme.com"),
        ("Group g@acme.com does not exist.", "g@acme.com"),
        ('Account a@b.com is of type "user". Please set the type prefix to be "user:".', "a@b.com"),
        ("Role roles/x is not supported for this resource.", "roles/x"),
        ("One or more users named in the policy do not belong to a permitted customer.", ""),
    ],
)
def test_a_refused_policy_names_its_culprit_when_google_does(
    stand_in: Google, projects: ResourceManager, message: str, culprit: str
) -> None:
    stand_in.refuses(400, message, "badRequest")

    with pytest.raises(PolicyRejected) as caught:
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))

    assert caught.value.culprit == culprit


def test_a_member_that_is_not_there_is_told_with_what_would_help(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.refuses(400, "User nobody@acme.example does not exist.", "badRequest")

    with pytest.raises(PolicyRejected) as caught:
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))

    assert caught.value.text == (
        "User nobody@acme.example does not exist. Create it in Google, or correct spec.principal."
    )


def test_a_full_policy_is_told(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.refuses(
        400, "The number of members in the policy (1,501) is larger than the maximum allowed size 1,500.", "badRequest"
    )

    failure = failure_of(projects.set_policy, "acme-prod", Policy({"etag": "BwX"}))

    assert failure.reason is Reason.IAM_POLICY_FULL


def test_a_policy_without_an_etag_is_neither_believed_nor_written(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.says(200, {})

    assert failure_of(projects.get_policy, "acme-prod").reason is Reason.UNEXPECTED_ANSWER
    assert failure_of(projects.set_policy, "acme-prod", Policy({"bindings": []})).reason is Reason.UNEXPECTED_ANSWER
    assert [path for _, path, _ in stand_in.asked] == ["/v3/projects/acme-prod:getIamPolicy?alt=json"]


@pytest.mark.parametrize(
    "words", ["Operation denied by org policy constraints/iam.x", "Request contains an invalid argument."]
)
def test_any_400_of_googles_is_a_policy_that_was_refused(
    stand_in: Google, projects: ResourceManager, words: str
) -> None:
    stand_in.refuses(400, words, "badRequest")

    with pytest.raises(PolicyRejected):
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))


WORKLOAD = Workload("acme-prod.svc.id.goog", "orders", "checkout")
MEMBER = "serviceAccount:acme-prod.svc.id.goog[orders/checkout]"
EMAIL = "checkout@acme-prod.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("binding", "admitted"),
    [
        ({"role": "roles/iam.workloadIdentityUser", "members": [MEMBER]}, True),
        ({"role": "roles/iam.serviceAccountUser", "members": [MEMBER]}, False),
        ({"role": "roles/iam.workloadIdentityUser", "members": [MEMBER.replace("orders", "billing")]}, False),
        (
            {
                "role": "roles/iam.workloadIdentityUser",
                "members": [MEMBER],
                "condition": {"title": "t", "expression": "false"},
            },
            False,
        ),
    ],
)
def test_a_workload_is_proven_by_the_accounts_policy(
    stand_in: Google, binding: dict[str, object], admitted: bool
) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.says(200, {"etag": "BwX", "bindings": [binding]})

    assert accounts.admits(EMAIL, WORKLOAD) is admitted
    path = f"/v1/projects/-/serviceAccounts/{EMAIL}:getIamPolicy?options.requestedPolicyVersion=3&alt=json"
    assert stand_in.asked[0][1] == path


@pytest.mark.parametrize(
    ("email", "part"),
    [
        (
            "v@p.iam.gserviceaccount.com:disable?x=.gserviceaccount.com",
            "v@p.iam.gserviceaccount.com%3Adisable%3Fx%3D.gserviceaccount.com",
        ),
        (
            "v@p.iam.gserviceaccount.com:undelete#.gserviceaccount.com",
            "v@p.iam.gserviceaccount.com%3Aundelete%23.gserviceaccount.com",
        ),
        ("a/../b@p.iam.gserviceaccount.com", "a%2F..%2Fb@p.iam.gserviceaccount.com"),
        ("a b\n%2F\u00e4@p.iam.gserviceaccount.com", "a%20b%0A%252F%C3%A4@p.iam.gserviceaccount.com"),
        ("a&b;c=d@p.iam.gserviceaccount.com", "a%26b%3Bc%3Dd@p.iam.gserviceaccount.com"),
    ],
)
def test_what_a_tenant_wrote_never_chooses_the_method_that_google_is_asked_for(
    stand_in: Google, email: str, part: str
) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.says(200, {"etag": "BwX"})

    accounts.admits(email, WORKLOAD)
    robot = impersonated(identity(), email, stand_in.endpoints)
    failure_of(SQLAdmin(stand_in.endpoints, Caller(robot, stand_in.fence)).users, ORDERS)

    asked = [path.removeprefix("/v1/projects/-/serviceAccounts/") for _, path, _ in stand_in.asked]
    assert asked == [f"{part}:getIamPolicy?options.requestedPolicyVersion=3&alt=json", f"{part}:generateAccessToken"]


def test_an_absent_account_is_told(stand_in: Google) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.refuses(404, "Unknown service account", "notFound")

    assert failure_of(accounts.admits, EMAIL, WORKLOAD).reason is Reason.PRINCIPAL_NOT_FOUND


def test_an_impersonated_identity_gets_its_token_at_the_given_endpoint(stand_in: Google) -> None:
    robot = impersonated(identity(), "robot@acme-prod.iam.gserviceaccount.com", stand_in.endpoints)
    admin = SQLAdmin(stand_in.endpoints, Caller(robot, stand_in.fence))
    stand_in.says(200, {"accessToken": "other", "expireTime": "2999-01-01T00:00:00Z"})
    stand_in.says(200, {"kind": "sql#usersList"})

    users = admin.users(ORDERS)

    assert users == ()
    path = "/v1/projects/-/serviceAccounts/robot@acme-prod.iam.gserviceaccount.com:generateAccessToken"
    assert stand_in.asked[0][1] == path


def test_nothing_is_asked_of_googles_public_address_when_another_is_set(stand_in: Google) -> None:
    connection = impersonated(identity(), "robot@acme-prod.iam.gserviceaccount.com", stand_in.endpoints).http().http
    stand_in.says(200, {})

    connection.request("https://iamcredentials.googleapis.com/v1/x/allowedLocations")

    assert stand_in.asked == [("GET", "/v1/x/allowedLocations", None)]


def test_an_identity_that_may_not_be_acted_as_is_told(stand_in: Google) -> None:
    robot = impersonated(identity(), "robot@acme-prod.iam.gserviceaccount.com", stand_in.endpoints)
    admin = SQLAdmin(stand_in.endpoints, Caller(robot, stand_in.fence))
    stand_in.refuses(403, "The caller does not have permission")

    failure = failure_of(admin.users, ORDERS)

    assert failure.reason is Reason.CREDENTIALS_FAILED
    assert "roles/iam.serviceAccountTokenCreator" in failure.message


def test_threads_have_connections_of_their_own() -> None:
    shared = identity()
    seen: list[object] = []

    thread = threading.Thread(target=lambda: seen.append(shared.http()))
    thread.start()
    thread.join()

    assert shared.http() is shared.http()
    assert seen[0] is not shared.http()


def test_endpoints_are_googles_own_unless_set() -> None:
    told = {"SQLADMIN_ENDPOINT": "https://sqladmin.acme.internal/", "IAM_ENDPOINT": ""}

    assert endpoints_from({}) == Endpoints(
        "https://sqladmin.googleapis.com",
        "https://cloudresourcemanager.googleapis.com",
        "https://iam.googleapis.com",
        "https://iamcredentials.googleapis.com",
    )
    assert endpoints_from(told) == Endpoints(sqladmin="https://sqladmin.acme.internal")


LIST_USERS = """
import os, sys
from cloudsql_iam_operator.adapters.google.credentials import own_identity
from cloudsql_iam_operator.adapters.google.endpoints import endpoints_from
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.errors import Failure
endpoints = endpoints_from(os.environ)
try:
    admin = SQLAdmin(endpoints, Caller(own_identity(endpoints), lambda: None))
    print([user.name for user in admin.users(ConnectionName("acme-prod", "europe-west1", "orders"))])
except Failure as failure:
    print(failure)
"""


def listed(stand_in: Google, **more: str) -> str:
    """What a process of its own prints that lists users as itself."""
    endpoints = stand_in.endpoints
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[3] / "operator"),
        "NO_GCE_CHECK": "true",
        "HOME": "/nonexistent",
        "SQLADMIN_ENDPOINT": endpoints.sqladmin,
        "IAM_CREDENTIALS_ENDPOINT": endpoints.iam_credentials,
        "OAUTH_TOKEN_ENDPOINT": f"{endpoints.sqladmin}/token",
        **more,
    }
    command = [sys.executable, "-c", LIST_USERS]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_operators_own_identity_takes_its_token_at_the_endpoint_that_is_set(
    stand_in: Google, tmp_path: Path
) -> None:
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "operator@acme-prod.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(account))
    token = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer"}
    stand_in.says(200, {**token, "kind": "sql#usersList", "items": [{"name": "postgres"}]})

    printed = listed(stand_in, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "key.json"))

    assert printed == "['postgres']\n"
    assert stand_in.asked[0][1] == "/token"


def test_no_credentials_at_all_are_told(stand_in: Google) -> None:
    printed = listed(stand_in)

    assert printed.startswith("GoogleCredentialsFailed: no Google credentials were found")
