"""Methods of IAM, IAM Credentials and Resource Manager that tools call beside the policies, through Google's client."""

import base64
import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    ADMIN,
    CHECKOUT,
    CHECKOUT_EMAIL,
    NUMBER,
    OPERATOR,
    OPERATOR_EMAIL,
    OPERATOR_PERMISSIONS,
    OPERATOR_ROLE,
    PROJECT,
    STRANGER,
    acme,
)
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.emulator import Emulator

CHECKOUTS = f"projects/-/serviceAccounts/{CHECKOUT_EMAIL}"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        resource = f"projects/{PROJECT}/serviceAccounts/{CHECKOUT_EMAIL}"
        emulator.admin.add_binding(resource, "roles/iam.serviceAccountTokenCreator", OPERATOR)
        yield emulator


@pytest.fixture
def accounts(emulator: Emulator) -> Any:
    return google_client(emulator, "iam", "v1", ADMIN).projects().serviceAccounts()


@pytest.fixture
def credentials(emulator: Emulator) -> Any:
    return google_client(emulator, "iamcredentials", "v1", OPERATOR).projects().serviceAccounts()


def code(request: Any) -> int:
    with pytest.raises(HttpError) as caught:
        request.execute()
    return int(error_of(caught.value)["code"])


def claims(token: str) -> Any:
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def test_accounts_are_listed(accounts: Any) -> None:
    found = accounts.list(name=f"projects/{PROJECT}").execute()["accounts"]

    assert {CHECKOUT_EMAIL, OPERATOR_EMAIL} <= {each["email"] for each in found}


def test_an_account_is_made_once(emulator: Emulator, accounts: Any) -> None:
    made = accounts.create(name=f"projects/{PROJECT}", body={"accountId": "newcomer"}).execute()

    assert made["email"] == f"newcomer@{PROJECT}.iam.gserviceaccount.com"
    assert code(accounts.create(name=f"projects/{PROJECT}", body={"accountId": "newcomer"})) == 409
    assert code(accounts.create(name=f"projects/{PROJECT}", body={"accountId": "New"})) == 400
    assert [entry.status for entry in emulator.admin.writes()][-3:] == [200, 409, 400]


def test_an_account_that_does_not_exist_is_forbidden_or_absent(emulator: Emulator, accounts: Any) -> None:
    absent = f"absent@{PROJECT}.iam.gserviceaccount.com"
    by_project = accounts.get(name=f"projects/{PROJECT}/serviceAccounts/{absent}")
    by_wildcard = accounts.get(name=f"projects/-/serviceAccounts/{absent}")

    assert (code(by_project), code(by_wildcard)) == (404, 403)

    emulator.admin.set_switch("wildcard_absent", "notFound")
    assert code(by_wildcard) == 404
    emulator.admin.set_switch("wildcard_absent", "forbidden")


def test_a_signed_assertion_is_worth_a_token(emulator: Emulator, credentials: Any) -> None:
    now = int(time.time())
    told = {"iss": CHECKOUT_EMAIL, "scope": "https://www.googleapis.com/auth/cloud-platform", "iat": now}
    payload = json.dumps({**told, "aud": "https://oauth2.googleapis.com/token", "exp": now + 600})

    signed = credentials.signJwt(name=CHECKOUTS, body={"payload": payload}).execute()["signedJwt"]

    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}
    with urllib.request.urlopen(emulator.token_url, urllib.parse.urlencode(form).encode(), timeout=30) as response:
        assert json.load(response)["token_type"] == "Bearer"
    assert emulator.admin.journal(kind="token")[-1].caller == CHECKOUT


def test_bytes_are_signed_by_the_accounts_own_key(credentials: Any) -> None:
    told = credentials.signBlob(name=CHECKOUTS, body={"payload": base64.b64encode(b"x").decode()}).execute()

    assert len(base64.b64decode(told["signedBlob"])) == 256
    assert code(credentials.signBlob(name=CHECKOUTS, body={"payload": "no base64"})) == 400


@pytest.mark.parametrize(("with_email", "expected"), [(True, CHECKOUT_EMAIL), (False, None)])
def test_an_id_token_is_for_an_audience(credentials: Any, with_email: bool, expected: str | None) -> None:
    body = {"audience": "https://a.example", "includeEmail": with_email}

    told = claims(credentials.generateIdToken(name=CHECKOUTS, body=body).execute()["token"])

    assert (told["aud"], told.get("email")) == ("https://a.example", expected)
    assert code(credentials.generateIdToken(name=CHECKOUTS, body={})) == 400


@pytest.mark.parametrize("method", ["signBlob", "signJwt", "generateIdToken"])
def test_nobody_signs_for_others_without_permission(emulator: Emulator, method: str) -> None:
    strangers = google_client(emulator, "iamcredentials", "v1", STRANGER).projects().serviceAccounts()

    assert code(getattr(strangers, method)(name=CHECKOUTS, body={})) == 403


def test_roles_tell_their_permissions(emulator: Emulator) -> None:
    iam = google_client(emulator, "iam", "v1", ADMIN)

    client = iam.roles().get(name="roles/cloudsql.client").execute()
    own = iam.projects().roles().get(name=OPERATOR_ROLE).execute()

    assert client["includedPermissions"] == ["cloudsql.instances.connect", "cloudsql.instances.get"]
    assert own["includedPermissions"] == sorted(OPERATOR_PERMISSIONS)
    assert code(iam.roles().get(name="roles/nope")) == 404
    owner = iam.roles().get(name="roles/owner").execute()["includedPermissions"]
    assert not [each for each in owner if each.endswith("*")]
    known = iam.permissions().queryTestablePermissions(body={"fullResourceName": "//x"}).execute()["permissions"]
    assert set(client["includedPermissions"]) <= {each["name"] for each in known}


def test_a_project_gets_a_role_of_its_own_once_and_of_known_permissions(emulator: Emulator) -> None:
    roles = google_client(emulator, "iam", "v1", ADMIN).projects().roles()
    strangers = google_client(emulator, "iam", "v1", STRANGER).projects().roles()
    parent = f"projects/{PROJECT}"
    body = {"roleId": "login", "role": {"title": "Login", "includedPermissions": ["cloudsql.instances.login"]}}
    unknown = {"roleId": "other", "role": {"includedPermissions": ["cloudsql.instances.fly"]}}

    made = roles.create(parent=parent, body=body).execute()

    assert made["name"] == f"{parent}/roles/login"
    assert made["includedPermissions"] == ["cloudsql.instances.login"]
    assert code(roles.create(parent=parent, body=body)) == 409
    assert code(roles.create(parent=parent, body=unknown)) == 400
    assert code(strangers.create(parent=parent, body=unknown)) == 403


def test_apis_are_switched_on_by_those_who_may(emulator: Emulator) -> None:
    services = google_client(emulator, "serviceusage", "v1", ADMIN).services()
    strangers = google_client(emulator, "serviceusage", "v1", STRANGER).services()
    parent = f"projects/{PROJECT}"
    both = {"serviceIds": ["iam.googleapis.com", "sqladmin.googleapis.com"]}

    assert services.batchEnable(parent=parent, body=both).execute()["done"] is True
    assert services.enable(name=f"{parent}/services/iam.googleapis.com", body={}).execute()["done"] is True
    assert code(services.batchEnable(parent=parent, body={})) == 400
    assert code(strangers.batchEnable(parent=parent, body=both)) == 403


def test_projects_are_found_by_those_who_may_see_them(emulator: Emulator) -> None:
    v1, v3 = (google_client(emulator, "cloudresourcemanager", version, ADMIN).projects() for version in ("v1", "v3"))
    strangers = google_client(emulator, "cloudresourcemanager", "v1", STRANGER).projects()

    assert [each["projectId"] for each in v1.list(filter="lifecycleState:ACTIVE").execute()["projects"]] == [PROJECT]
    assert [each["name"] for each in v3.search(query=f"id:{PROJECT}").execute()["projects"]] == [f"projects/{NUMBER}"]
    assert v1.list(filter="projectId:other*").execute() == {}
    assert strangers.list().execute() == {}
    assert code(v1.list(filter="labels.x:y")) == 400
    assert v1.getAncestry(projectId=PROJECT, body={}).execute() == {
        "ancestor": [{"resourceId": {"type": "project", "id": PROJECT}}]
    }
