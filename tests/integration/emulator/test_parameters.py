"""System parameters, scopes and quota projects, as clients of all kinds send them."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_emulator.acme import ADMIN, CHECKOUT_EMAIL, NUMBER, OPERATOR, PROJECT, acme
from cloudsql_emulator.emulator import Emulator

PROJECT_PATH = f"/v1/projects/{PROJECT}"
SCOPE = "https://www.googleapis.com/auth/"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


class Told:
    """An answer, whatever its status."""

    def __init__(self, url: str, headers: dict[str, str], body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as response:
                self.status, self.text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            self.status, self.text = error.code, error.read().decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def get(emulator: Emulator, path: str, member: str = ADMIN, **headers: str) -> Told:
    token = {"Authorization": f"Bearer {emulator.admin.mint_token(member)}"}
    return Told(f"{emulator.api_url}{path}", token | {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    "query", ["", "?alt=json", "?$alt=json;enum-encoding=int", "?%24alt=json%3Benum-encoding%3Dint"]
)
def test_json_is_the_one_form(emulator: Emulator, query: str) -> None:
    told = get(emulator, PROJECT_PATH + query)

    assert (told.status, told.json["projectId"]) == (200, PROJECT)


def test_another_form_is_refused(emulator: Emulator) -> None:
    assert get(emulator, f"{PROJECT_PATH}?$alt=proto").status == 400


@pytest.mark.parametrize("name", ["prettyPrint", "$prettyPrint"])
def test_answers_are_indented_unless_told_otherwise(emulator: Emulator, name: str) -> None:
    assert "\n  " in get(emulator, PROJECT_PATH).text
    assert "\n" not in get(emulator, f"{PROJECT_PATH}?{name}=false").text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{PROJECT_PATH}?fields=projectId", {"projectId": PROJECT}),
        (f"{PROJECT_PATH}?$fields=projectId,projectNumber", {"projectId": PROJECT, "projectNumber": NUMBER}),
        (f"{PROJECT_PATH}?fields=nothing/below(a,b)", {}),
    ],
)
def test_fields_leave_what_they_name(emulator: Emulator, path: str, expected: object) -> None:
    assert get(emulator, path).json == expected


def test_fields_reach_into_lists(emulator: Emulator) -> None:
    token = {"Authorization": f"Bearer {emulator.admin.mint_token(ADMIN)}"}
    url = f"{emulator.api_url}{PROJECT_PATH}:getIamPolicy?fields=bindings(role),version"

    told = Told(url, token, {"options": {"requestedPolicyVersion": 3}}).json

    assert set(told) == {"bindings", "version"}
    assert {tuple(each) for each in told["bindings"]} == {("role",)}


@pytest.mark.parametrize("mask", ["a,", "a(", "a(b", ")", "a/"])
def test_fields_that_cannot_be_read_are_refused(emulator: Emulator, mask: str) -> None:
    assert get(emulator, f"{PROJECT_PATH}?fields={mask}").status == 400


def test_an_unknown_parameter_is_refused(emulator: Emulator) -> None:
    told = get(emulator, f"{PROJECT_PATH}?$nonsense=1")

    assert (told.status, told.json["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_token_may_come_in_the_query_and_is_not_kept(emulator: Emulator) -> None:
    token = emulator.admin.mint_token(ADMIN)

    told = Told(f"{emulator.api_url}{PROJECT_PATH}?access_token={token}", {})

    assert told.status == 200
    assert token not in repr(emulator.admin.journal())


def test_the_scope_iam_is_enough_to_impersonate_and_for_nothing_else(emulator: Emulator) -> None:
    emulator.admin.add_binding(
        f"projects/{PROJECT}/serviceAccounts/{CHECKOUT_EMAIL}", "roles/iam.serviceAccountTokenCreator", OPERATOR
    )
    token = {"Authorization": f"Bearer {emulator.admin.mint_token(OPERATOR, [f'{SCOPE}iam'])}"}
    path = f"/v1/projects/-/serviceAccounts/{CHECKOUT_EMAIL}"

    impersonated = Told(f"{emulator.api_url}{path}:generateAccessToken", token, {"scope": [f"{SCOPE}cloud-platform"]})

    assert impersonated.status == 200
    assert Told(f"{emulator.api_url}{PROJECT_PATH}", token).status == 403


def test_a_quota_project_takes_a_permission_and_is_in_the_journal(emulator: Emulator) -> None:
    mine = get(emulator, PROJECT_PATH, x_goog_user_project=PROJECT)
    denied = get(emulator, PROJECT_PATH, OPERATOR, x_goog_user_project=PROJECT)
    absent = get(emulator, f"{PROJECT_PATH}?$userProject=nowhere")

    assert [mine.status, denied.status, absent.status] == [200, 403, 403]
    assert denied.json["error"]["details"][0]["reason"] == "USER_PROJECT_DENIED"
    assert [entry.quota_project for entry in emulator.admin.journal()][-3:] == [PROJECT, PROJECT, "nowhere"]


@pytest.mark.parametrize("path", ["/v1/nonsense", f"/v1/projects/{PROJECT}/instances/orders/backupRuns"])
def test_what_does_not_exist_is_a_page(emulator: Emulator, path: str) -> None:
    told = get(emulator, path)

    assert told.status == 404
    assert f"The requested URL <code>{path}</code> was not found on this server." in told.text
