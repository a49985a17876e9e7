"""As whom Google is asked: keys, federation, impersonation and the metadata server, at the addresses that are set."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from google.oauth2 import service_account

from cloudsql_iam_operator.adapters.google.application_credentials import SCOPES
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity, impersonated
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, endpoints_from
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.calls.orders import ORDERS
from integration.google.calls.processes import key_file, listed
from integration.google.stand_in import Google, failure_of, identity

ROBOT = "robot@acme-prod.iam.gserviceaccount.com"
IMPERSONATION = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"


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
    assert "--role=roles/iam.serviceAccountTokenCreator" in failure.message


def by_key(stand_in: Google) -> Identity:
    key: Any = {**key_file(), "token_uri": f"{stand_in.address}/token"}
    make: Any = service_account.Credentials.from_service_account_info
    return Identity(make(key, scopes=SCOPES), "the operator's own identity", stand_in.endpoints)


def test_an_identity_names_the_account_that_it_is_and_those_that_it_acts_through(stand_in: Google) -> None:
    stand_in.says(200, {"access_token": "own", "expires_in": 3600, "token_type": "Bearer"})
    own = by_key(stand_in)

    assert impersonated(own, ROBOT, stand_in.endpoints).accounts() == (
        ROBOT,
        "operator@acme-prod.iam.gserviceaccount.com",
    )
    assert own.accounts() == ("operator@acme-prod.iam.gserviceaccount.com",)
    assert identity().accounts() == ()


def test_as_long_as_there_is_no_token_nobody_takes_it_for_nobody(stand_in: Google) -> None:
    stand_in.refuses(500, "try again")
    own = by_key(stand_in)

    assert failure_of(impersonated(own, ROBOT, stand_in.endpoints).accounts).reason is Reason.CREDENTIALS_FAILED


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
    assert endpoints_from({**told, "GOOGLE_CLOUD_UNIVERSE_DOMAIN": "example.goog"}) == Endpoints(
        "https://sqladmin.acme.internal",
        "https://cloudresourcemanager.example.goog",
        "https://iam.example.goog",
        "https://iamcredentials.example.goog",
    )


def federation(token_file: Path) -> dict[str, Any]:
    pool = "projects/1/locations/global/workloadIdentityPools/clusters/providers/eks"
    return {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{pool}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(token_file)},
    }


WAYS: dict[str, list[str]] = {
    "key": ["/oauth/token"],
    "federation": ["/sts/token"],
    "federation that impersonates": ["/sts/token", "generateAccessToken"],
    "impersonation by key": ["generateAccessToken"],
    "metadata server": ["/computeMetadata/"],
}


def credentials_by(way: str, directory: Path) -> dict[str, Any]:
    (directory / "token").write_text("subject-token")
    federated = federation(directory / "token")
    return {
        "key": key_file(),
        "federation": federated,
        "federation that impersonates": {**federated, "service_account_impersonation_url": IMPERSONATION},
        "impersonation by key": {
            "type": "impersonated_service_account",
            "service_account_impersonation_url": IMPERSONATION,
            "source_credentials": key_file(),
        },
        "metadata server": {},
    }[way]


def environment_by(way: str, stand_in: Google, directory: Path) -> dict[str, str]:
    host = stand_in.address.removeprefix("http://")
    if way == "metadata server":
        return {"NO_GCE_CHECK": "", "GCE_METADATA_HOST": host, "GCE_METADATA_IP": host}
    (directory / "credentials.json").write_text(json.dumps(credentials_by(way, directory)))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(directory / "credentials.json")}


def answers(stand_in: Google) -> None:
    flavored = {"Metadata-Flavor": "Google"}
    token = {"access_token": "t0ken", "expires_in": 3600, "token_type": "Bearer", "issued_token_type": "x"}
    account = {"email": "operator@acme-prod.iam.gserviceaccount.com", "scopes": [], "aliases": ["default"]}
    stand_in.routes = {
        "/oauth/token": (200, token, {}),
        "/sts/token": (200, token, {}),
        "generateAccessToken": (200, {"accessToken": "other", "expireTime": "2999-01-01T00:00:00Z"}, {}),
        "/default/token": (200, token, {**flavored, "Content-Type": "application/json"}),
        "/universe/": (200, b"googleapis.com", {**flavored, "Content-Type": "text/plain"}),
        "/project-id": (200, b"acme-prod", {**flavored, "Content-Type": "text/plain"}),
        "/computeMetadata/": (200, account, {**flavored, "Content-Type": "application/json"}),
        "/users": (200, {"kind": "sql#usersList", "items": [{"name": "postgres"}]}, {}),
    }
    stand_in.says(200, b"computeMetadata/\n", Metadata_Flavor="Google")


def headers_of_the_call(stand_in: Google) -> Any:
    paths = [path for _, path, _ in stand_in.asked]
    return stand_in.headers[paths.index("/v1/projects/acme-prod/instances/orders/users?alt=json")]


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("impersonate", ["", ROBOT])
def test_the_operator_runs_with_every_kind_of_credentials_and_may_impersonate_from_each(
    stand_in: Google, tmp_path: Path, way: str, impersonate: str
) -> None:
    answers(stand_in)

    printed = listed(stand_in, IMPERSONATE=impersonate, **environment_by(way, stand_in, tmp_path))

    assert printed == "['postgres']\n"
    asked = [path for _, path, _ in stand_in.asked]
    for words in [*WAYS[way], *(["generateAccessToken"] if impersonate else [])]:
        if not (words == "/oauth/token" and impersonate):  # a key signs for itself when another account is impersonated
            assert any(words in path for path in asked), asked
    assert headers_of_the_call(stand_in)["Authorization"] in {"Bearer t0ken", "Bearer other"}


@pytest.mark.parametrize("way", sorted(WAYS))
def test_calls_are_charged_to_the_quota_project_that_is_set(stand_in: Google, tmp_path: Path, way: str) -> None:
    answers(stand_in)

    told = environment_by(way, stand_in, tmp_path)
    listed(stand_in, GOOGLE_CLOUD_QUOTA_PROJECT="acme-quota", IMPERSONATE=ROBOT, **told)

    assert headers_of_the_call(stand_in)["x-goog-user-project"] == "acme-quota"


@pytest.mark.parametrize(
    ("told", "who"),
    [
        ("no json", "the operator's own identity"),
        ("[]", "the operator's own identity"),
        ("{}", "the operator's own identity"),
        (json.dumps({"type": "service_account"}), "the operator's own identity"),
        (
            json.dumps({**federation(Path("/none")), "credential_source": {"executable": {"command": "/bin/true"}}}),
            "the operator's own identity",
        ),
        (
            json.dumps(federation(Path("/nonexistent"))),
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/clusters/subject/SUBJECT",
        ),
    ],
)
def test_credentials_that_cannot_be_used_are_told_and_no_bug(
    stand_in: Google, tmp_path: Path, told: str, who: str
) -> None:
    answers(stand_in)
    (tmp_path / "credentials.json").write_text(told)

    printed = listed(stand_in, GOOGLE_APPLICATION_CREDENTIALS=str(tmp_path / "credentials.json"))

    assert printed.startswith(f"GoogleCredentialsFailed: no access token for {who} (file {tmp_path}/credentials.json)")
