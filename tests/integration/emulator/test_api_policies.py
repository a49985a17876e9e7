"""Policies of the emulated Resource Manager and IAM APIs, through Google's own client."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    ADMIN,
    ALICE,
    CHECKOUT,
    CHECKOUT_EMAIL,
    INSTANCE,
    NUMBER,
    OPERATOR,
    PROJECT,
    TEAM_EMAIL,
    acme,
    policy,
)
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.emulator import Emulator
from integration.emulator.policies import LOGIN_ROLE, RESOURCE, V3, read, refused, with_binding, write


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


def test_a_change_taken_back_leaves_the_policy_byte_for_byte(emulator: Emulator, projects: Any) -> None:
    before = emulator.admin.policy(RESOURCE)
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))

    changed = read(projects)
    write(projects, {**changed, "bindings": changed["bindings"][:-1]})

    after = emulator.admin.policy(RESOURCE)
    assert json.dumps({**after, "etag": ""}) == json.dumps({**before, "etag": ""})
    assert json.dumps(after["bindings"]) == json.dumps(policy()["bindings"])


@pytest.mark.parametrize(("version", "resource"), [("v1", PROJECT), ("v1", NUMBER), ("v3", RESOURCE)])
def test_both_versions_read_the_same_policy(emulator: Emulator, version: str, resource: str) -> None:
    projects = google_client(emulator, "cloudresourcemanager", version, OPERATOR).projects()

    found = projects.getIamPolicy(resource=resource, body=V3).execute()

    assert found["bindings"][0] == {"role": "roles/owner", "members": [ADMIN]}


def test_a_lost_race_is_told_with_both_etags(projects: Any) -> None:
    first, second = read(projects), read(projects)
    stored = write(projects, with_binding(first, LOGIN_ROLE, CHECKOUT))

    assert refused(projects, with_binding(second, LOGIN_ROLE, ALICE)) == (
        409,
        "ABORTED",
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
        f"The request's ETag '{second['etag']}' did not match the current policy's ETag '{stored['etag']}'.",
    )


def test_audit_settings_survive_a_write_that_omits_them(projects: Any) -> None:
    submitted = {key: value for key, value in read(projects).items() if key != "auditConfigs"}

    write(projects, submitted)

    assert read(projects)["auditConfigs"] == policy()["auditConfigs"]


def test_a_role_beyond_the_limit_of_the_callers_own_binding_is_denied(projects: Any) -> None:
    found = read(projects)

    assert refused(projects, with_binding(found, "roles/cloudsql.admin", OPERATOR)) == (
        403,
        "PERMISSION_DENIED",
        "The caller does not have permission",
    )


def test_touching_a_strangers_binding_is_denied_too(projects: Any) -> None:
    found = read(projects)
    found["bindings"][1]["members"].pop()

    assert refused(projects, found)[0] == 403


def test_reading_takes_a_permission(emulator: Emulator) -> None:
    projects = google_client(emulator, "cloudresourcemanager", "v3", ALICE).projects()

    with pytest.raises(HttpError) as caught:
        read(projects)

    assert error_of(caught.value)["message"] == "The caller does not have permission"


def test_an_absent_project_looks_like_a_forbidden_one(admins_projects: Any) -> None:
    with pytest.raises(HttpError) as caught:
        admins_projects.getIamPolicy(resource="projects/nope", body=V3).execute()

    assert caught.value.resp.status == 403


ABSENT = "nobody@acme-prod.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (f"serviceAccount:{ABSENT}", f"Service account {ABSENT} does not exist."),
        ("user:nobody@acme.example", "User nobody@acme.example does not exist."),
        ("group:nobody@acme.example", "Group nobody@acme.example does not exist."),
        (
            f"user:{TEAM_EMAIL}",
            'Account team@acme.example is of type "group". Please set the type prefix to be "group:".',
        ),
    ],
)
def test_a_member_that_does_not_exist_fails_the_whole_write(projects: Any, member: str, text: str) -> None:
    found = read(projects)

    assert refused(projects, with_binding(found, LOGIN_ROLE, CHECKOUT, member)) == (400, "INVALID_ARGUMENT", text)
    assert read(projects)["etag"] == found["etag"]


def test_an_unknown_role_is_refused(admins_projects: Any) -> None:
    found = read(admins_projects)

    assert refused(admins_projects, with_binding(found, "roles/nope", ALICE)) == (
        400,
        "INVALID_ARGUMENT",
        "Role roles/nope is not supported for this resource.",
    )


def test_too_many_members_are_refused(admins_projects: Any) -> None:
    found = read(admins_projects)
    many = [f"principal://iam.googleapis.com/locations/global/workforcePools/p/subject/{n}" for n in range(1496)]

    assert refused(admins_projects, with_binding(found, LOGIN_ROLE, *many)) == (
        400,
        "INVALID_ARGUMENT",
        "The number of members in the policy (1,501) is larger than the maximum allowed size 1,500.",
    )


def test_a_conditional_policy_is_not_written_as_version_1(projects: Any) -> None:
    found = read(projects)

    code, _, text = refused(projects, {**found, "version": 1})

    assert code == 400
    assert text == "Specified policy version (1) cannot be less than the existing policy version (3)"


def test_who_asks_for_version_1_sees_no_condition(projects: Any) -> None:
    shown = projects.getIamPolicy(resource=RESOURCE, body={}).execute()

    assert shown["version"] == 1
    assert [binding for binding in shown["bindings"] if "condition" in binding] == []
    assert shown["bindings"][3]["role"].startswith("roles/resourcemanager.projectIamAdmin_withcond_")


def test_permissions_are_tested_for_the_caller(projects: Any) -> None:
    asked = ["resourcemanager.projects.getIamPolicy", "cloudsql.users.create", "cloudsql.databases.list"]

    held = projects.testIamPermissions(resource=RESOURCE, body={"permissions": asked}).execute()

    assert held == {"permissions": ["resourcemanager.projects.getIamPolicy", "cloudsql.users.create"]}


def test_a_deleted_account_is_named_so_and_not_revived(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))

    emulator.admin.delete_principal(CHECKOUT)
    emulator.admin.add_principal("serviceAccount", CHECKOUT_EMAIL)

    (member,) = read(projects)["bindings"][-1]["members"]
    assert member.startswith(f"deleted:{CHECKOUT}?uid=")
    assert not emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
    write(projects, with_binding(read(projects), "roles/cloudsql.client", CHECKOUT))


def test_a_service_account_has_a_policy_of_its_own(emulator: Emulator) -> None:
    accounts = google_client(emulator, "iam", "v1", OPERATOR).projects().serviceAccounts()

    found = accounts.getIamPolicy(
        resource=f"projects/-/serviceAccounts/{CHECKOUT_EMAIL}", options_requestedPolicyVersion=3
    ).execute()

    assert found["bindings"] == [
        {
            "role": "roles/iam.workloadIdentityUser",
            "members": ["serviceAccount:acme-prod.svc.id.goog[shop/checkout]"],
        }
    ]


def test_an_absent_service_account_is_told_to_those_who_may_ask(emulator: Emulator) -> None:
    name = "projects/acme-prod/serviceAccounts/nobody@acme-prod.iam.gserviceaccount.com"
    codes = {}

    for member in (ADMIN, ALICE):
        accounts = google_client(emulator, "iam", "v1", member).projects().serviceAccounts()
        with pytest.raises(HttpError) as caught:
            accounts.get(name=name).execute()
        codes[member] = caught.value.resp.status

    assert codes == {ADMIN: 404, ALICE: 403}


def test_only_writes_are_counted_as_writes(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))

    assert [entry.method for entry in emulator.admin.writes(caller=OPERATOR)] == [
        "cloudresourcemanager.projects.setIamPolicy"
    ]
    assert len(emulator.admin.journal(kind="api", caller=OPERATOR)) == 2
