"""What the emulated APIs refuse in policies: strangers to the organisation, stale and broken etags, bad conditions."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import ADMIN, CHECKOUT, OPERATOR, PROJECT, acme
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.emulator import Emulator
from integration.emulator.policies import LOGIN_ROLE, RESOURCE, read, refused, with_binding, write

CONDITION = {"title": "one instance", "expression": "resource.name == 'projects/acme-prod/instances/orders'"}


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


@pytest.fixture
def projects(emulator: Emulator) -> Any:
    return google_client(emulator, "cloudresourcemanager", "v3", OPERATOR).projects()


@pytest.fixture
def admins_projects(emulator: Emulator) -> Any:
    return google_client(emulator, "cloudresourcemanager", "v3", ADMIN).projects()


def test_an_organisation_may_let_in_only_its_own_domains(emulator: Emulator, projects: Any) -> None:
    emulator.admin.set_switch("permitted_domains", ["acme.example"])
    emulator.admin.add_principal("user", "x+y@elsewhere.example")
    found = read(projects)

    with pytest.raises(HttpError) as caught:
        write(projects, with_binding(found, LOGIN_ROLE, "user:x+y@elsewhere.example"))

    told = error_of(caught.value)
    assert (told["code"], told["status"], told["errors"][0]["reason"]) == (
        400,
        "FAILED_PRECONDITION",
        "failedPrecondition",
    )
    assert told["message"] == "One or more users named in the policy do not belong to a permitted customer."
    assert told["details"][0]["violations"] == [
        {
            "type": "constraints/iam.allowedPolicyMemberDomains",
            "subject": f"orgpolicy:projects/{PROJECT}?configvalue=x%2By%40elsewhere.example",
            "description": "User x+y@elsewhere.example is not in permitted organization.",
        }
    ]
    write(projects, with_binding(found, LOGIN_ROLE, CHECKOUT))


def test_a_stranger_that_the_policy_holds_already_fails_every_write(emulator: Emulator, projects: Any) -> None:
    emulator.admin.add_principal("user", "x@elsewhere.example")
    emulator.admin.add_binding(RESOURCE, LOGIN_ROLE, "user:x@elsewhere.example")
    emulator.admin.set_switch("permitted_domains", ["acme.example"])
    emulator.admin.set_switch("domain_refusal", "bare")

    told = refused(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))

    assert told == (
        400,
        "INVALID_ARGUMENT",
        "One or more users named in the policy do not belong to a permitted customer, perhaps due to an organization "
        "policy.",
    )


def test_an_etag_is_compared_by_its_bytes(projects: Any) -> None:
    found = read(projects)
    written_anew = base64.urlsafe_b64encode(base64.b64decode(found["etag"])).decode().rstrip("=")

    write(projects, {**with_binding(found, LOGIN_ROLE, CHECKOUT), "etag": written_anew})

    assert read(projects)["etag"] != found["etag"]


def test_an_etag_that_is_no_base64_is_refused(projects: Any) -> None:
    told = refused(projects, {**read(projects), "etag": "a b"})

    assert told[:2] == (400, "INVALID_ARGUMENT")
    assert told[2] == """Invalid value at 'policy.etag' (TYPE_BYTES), Base64 decoding failed for "a b\""""


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("roles/viewer", {}),
        (LOGIN_ROLE, {"title": ""}),
        (LOGIN_ROLE, {"title": "x" * 101}),
        (LOGIN_ROLE, {"description": "x" * 257}),
        (LOGIN_ROLE, {"expression": "resource.name =="}),
        (LOGIN_ROLE, {"expression": "nonsense.name == 'x'"}),
        (LOGIN_ROLE, {"expression": ""}),
    ],
)
def test_conditions_that_google_refuses_are_refused_unless_told_otherwise(
    emulator: Emulator, admins_projects: Any, role: str, change: dict[str, str]
) -> None:
    found = read(admins_projects)
    binding = {"role": role, "members": [CHECKOUT], "condition": {**CONDITION, **change}}
    changed = {**found, "version": 3, "bindings": [*found["bindings"], binding]}

    assert refused(admins_projects, changed)[:2] == (400, "INVALID_ARGUMENT")

    emulator.admin.set_switch("refused_conditions", [])
    write(admins_projects, changed)
    assert read(admins_projects)["bindings"][-1] == binding
