"""Accounts, memberships and what acts when, in the emulated Google."""

import datetime as dt
import json

import pytest

from cloudsql_emulator.acme import ALICE, CHECKOUT, PROJECT, TEAM_EMAIL, acme
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import Config, Project, parse_config, to_json
from cloudsql_emulator.iam.directory import NoSuchAccount
from cloudsql_emulator.iam.members import database_name, is_covered_by, workload_project
from cloudsql_emulator.iam.policies import modified_roles, normalised
from cloudsql_emulator.iam.spans import Spans

BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def after(seconds: int) -> dt.datetime:
    return BEGIN + dt.timedelta(seconds=seconds)


def test_a_fact_holds_between_its_ends() -> None:
    spans: Spans[str] = Spans()
    spans.add("a", after(10))
    spans.remove("a", after(20))

    assert [spans.holding(after(seconds)) for seconds in (9, 10, 19, 20)] == [set(), {"a"}, {"a"}, set()]


def test_what_is_granted_again_before_it_ends_never_ends() -> None:
    spans: Spans[str] = Spans()
    spans.add("a", BEGIN)
    spans.remove("a", after(20))
    spans.add("a", after(15))

    assert [spans.holding(after(seconds)) for seconds in (5, 14, 30)] == [{"a"}, {"a"}, {"a"}]


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("serviceAccount:App@acme.iam.gserviceaccount.com", "app@acme.iam"),
        ("serviceAccount:app@acme.example.com.iam.gserviceaccount.com", "app@acme.example.com.iam"),
        ("serviceAccount:123-compute@developer.gserviceaccount.com", "123-compute@developer"),
        ("user:Ann@Acme.com", "ann@acme.com"),
        (
            "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/ann@acme.com",
            "ann@acme.com",
        ),
    ],
)
def test_database_names_follow_members(member: str, name: str) -> None:
    assert database_name(member) == name


@pytest.mark.parametrize(
    ("email", "project"),
    [
        ("app@acme.iam.gserviceaccount.com", "acme"),
        ("app@acme.example.com.iam.gserviceaccount.com", "example.com:acme"),
        ("app@acme.eu.example.com.iam.gserviceaccount.com", "eu.example.com:acme"),
        ("123-compute@developer.gserviceaccount.com", "example.com:acme"),
        ("999-compute@developer.gserviceaccount.com", ""),
    ],
)
def test_a_service_account_is_in_the_project_that_its_address_names(email: str, project: str) -> None:
    cloud = Cloud(Config(projects=(Project("example.com:acme", "123"),)))

    assert cloud.project_of(email) == project


@pytest.mark.parametrize(
    ("member", "granted", "covered"),
    [
        ("user:ann@acme.com", "domain:acme.com", True),
        ("user:ann@other.com", "domain:acme.com", False),
        (
            "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/ann",
            "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*",
            True,
        ),
        ("user:ann@acme.com", "user:ann@acme.com", True),
        ("user:ann@acme.com", "group:ann@acme.com", False),
    ],
)
def test_grants_reach_their_members(member: str, granted: str, covered: bool) -> None:
    assert is_covered_by(member, granted) is covered


def test_a_workloads_project_is_that_of_its_pool() -> None:
    assert workload_project("serviceAccount:acme-prod.svc.id.goog[shop/checkout]") == "acme-prod"
    assert workload_project(CHECKOUT) is None


def test_groups_reach_through_groups() -> None:
    cloud = Cloud(acme())

    assert cloud.directory.groups_of(ALICE) == {f"group:{TEAM_EMAIL}", "group:nested@acme.example"}


def test_leaving_a_group_acts_after_its_propagation() -> None:
    cloud = Cloud(acme())
    cloud.propagation.memberships = 900

    cloud.directory.leave("group:nested@acme.example", ALICE)
    at_once = cloud.directory.groups_of(ALICE)
    cloud.clock.advance(901)

    assert len(at_once) == 2
    assert cloud.directory.groups_of(ALICE) == frozenset()


def test_an_account_of_another_kind_is_no_account() -> None:
    cloud = Cloud(acme())

    with pytest.raises(NoSuchAccount):
        cloud.directory.account(f"user:{TEAM_EMAIL}")


def test_a_recreated_account_is_somebody_else() -> None:
    cloud = Cloud(acme())
    first = cloud.directory.account(ALICE)

    cloud.delete_account(ALICE)
    second = cloud.directory.add("user", "alice@acme.example")

    assert first.uid != second.uid
    assert cloud.directory.groups_of(ALICE) == frozenset()


def test_modified_roles_do_not_depend_on_order() -> None:
    viewer = {"role": "roles/viewer", "members": ["user:a@x.com", "user:b@x.com"]}
    browser = {"role": "roles/browser", "members": ["user:a@x.com"]}
    turned = {"role": "roles/viewer", "members": ["user:B@x.com", "user:a@x.com"]}

    assert modified_roles({"bindings": [viewer, browser]}, {"bindings": [browser, turned]}) == ()
    assert modified_roles({"bindings": [viewer, browser]}, {"bindings": [viewer]}) == ("roles/browser",)


def test_normalising_merges_bindings_of_one_role_and_condition() -> None:
    conditional = {"title": "t", "expression": "request.time < timestamp('2026-01-01T00:00:00Z')"}
    policy = {
        "bindings": [
            {"role": "roles/viewer", "members": ["user:B@x.com"]},
            {"role": "roles/viewer", "members": ["user:c@x.com"], "condition": conditional},
            {"role": "roles/viewer", "members": ["user:a@x.com"]},
            {"role": "roles/browser", "members": []},
        ]
    }

    assert normalised(policy)["bindings"] == [
        {"role": "roles/viewer", "members": ["user:a@x.com", "user:b@x.com"]},
        {"role": "roles/viewer", "members": ["user:c@x.com"], "condition": conditional},
    ]


def test_a_configuration_survives_its_json() -> None:
    config = acme()

    assert parse_config(json.loads(json.dumps(to_json(config)))) == config


def test_projects_go_by_id_and_number() -> None:
    cloud = Cloud(acme())

    assert cloud.project("123456789012") == cloud.project(PROJECT)
    assert cloud.project("nope") is None
