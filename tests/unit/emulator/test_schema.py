"""Discovery documents as the emulator reads them."""

import pytest

from cloudsql_emulator.api.discovery import Match, Methods
from cloudsql_emulator.api.journal import summary_of
from cloudsql_emulator.api.schema import Schema

SERVED = frozenset({"sql.users.get", "sql.users.list", "sql.connect.generateEphemeral", "sql.instances.get"})
METHODS = Methods(SERVED)


def found(verb: str, path: str) -> Match:
    match = METHODS.find(verb, path)
    assert match is not None
    return match


@pytest.mark.parametrize("root", ["/v1", "/sql/v1beta4"])
def test_path_segments_are_decoded_after_they_are_split(root: str) -> None:
    match = found("GET", f"{root}/projects/example.com%3Ap/instances/i/users/a%2Fb%40x")

    assert match.method.id == "sql.users.get"
    assert dict(match.path) == {"project": "example.com:p", "instance": "i", "name": "a/b@x"}


def test_custom_verbs_are_not_part_of_names() -> None:
    match = found("POST", "/v1/projects/p/instances/r~i:generateEphemeralCert")

    assert (match.method.id, match.path["instance"]) == ("sql.connect.generateEphemeral", "r~i")


def test_a_method_that_google_has_and_nobody_serves_is_named() -> None:
    assert METHODS.find("GET", "/v1/projects/p/instances/i/databases") is None
    assert METHODS.unserved("GET", "/v1/projects/p/instances/i/databases") == "sql.databases.list"
    assert METHODS.unserved("GET", "/v1/nonsense") is None


def test_a_method_without_a_document_cannot_be_served() -> None:
    with pytest.raises(ValueError, match=r"sql\.users\.nope"):
        Methods(frozenset({"sql.users.nope"}))


def test_answers_are_checked_to_the_last_field() -> None:
    response = found("GET", "/v1/projects/p/instances/i/users").method.response
    assert response is not None

    problems = response.problems({"items": [{"name": 1, "type": "NOPE", "colour": "green"}], "kind": "sql#usersList"})

    assert problems == [
        "UsersListResponse.items[0].name: int instead of string",
        "UsersListResponse.items[0].type: 'NOPE' is none of the known values",
        "UsersListResponse.items[0].colour: unknown field",
    ]


def test_times_and_numbers_in_strings_are_checked() -> None:
    schema = Schema(
        "T",
        {
            "T": {
                "type": "object",
                "properties": {
                    "at": {"type": "string", "format": "google-datetime"},
                    "n": {"type": "string", "format": "int64"},
                    "flag": {"type": "boolean"},
                    "count": {"type": "integer"},
                },
            }
        },
    )

    assert schema.problems({"at": "2026-01-01T00:00:00.5Z", "n": "-5", "flag": True, "count": 3}) == []
    assert schema.problems({"at": "yesterday", "n": "5.0", "flag": 1, "count": True}) == [
        "T.at: 'yesterday' is no time",
        "T.n: '5.0' is no whole number",
        "T.flag: int instead of boolean",
        "T.count: bool instead of integer",
    ]


def test_summaries_hold_no_secret_at_any_depth() -> None:
    body = {"name": "bob", "password": "hunter2", "items": [{"access_token": "ya29.x", "scope": ["a"]}]}

    assert summary_of(body) == {"name": "bob", "password": "…", "items": [{"access_token": "…", "scope": ["a"]}]}


SIGN = "/v1/projects/-/serviceAccounts/a@b:signBlob"


@pytest.mark.parametrize(
    ("host", "method"),
    [
        ("127.0.0.1", "iamcredentials.projects.serviceAccounts.signBlob"),
        ("iamcredentials.googleapis.com", "iamcredentials.projects.serviceAccounts.signBlob"),
        ("iam.googleapis.com", "iam.projects.serviceAccounts.signBlob"),
        ("sqladmin.googleapis.com", None),
    ],
)
def test_a_path_of_two_apis_is_told_apart_by_the_host(host: str, method: str | None) -> None:
    prefixes = ("iam", "iamcredentials")
    match = Methods(frozenset(f"{each}.projects.serviceAccounts.signBlob" for each in prefixes)).find(
        "POST", SIGN, host
    )

    assert (match.method.id if match else None) == method
