"""What bindings in the emulated policies permit: under conditions, through groups, and from when on."""

from collections.abc import Iterator
from typing import Any

import pytest

from cloudsql_emulator.acme import (
    ALICE,
    CHECKOUT,
    INSTANCE,
    OPERATOR,
    PROJECT,
    TEAM_EMAIL,
    acme,
)
from cloudsql_emulator.clients import google_client
from cloudsql_emulator.emulator import Emulator
from integration.emulator.policies import LOGIN_ROLE, ONE_INSTANCE, read, with_binding, write


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(acme(with_instance=False)) as emulator:
        yield emulator


@pytest.fixture
def projects(emulator: Emulator) -> Any:
    return google_client(emulator, "cloudresourcemanager", "v3", OPERATOR).projects()


def test_a_condition_limits_a_role_to_one_instance(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT, condition=ONE_INSTANCE))

    assert emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
    assert not emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, "billing")


def test_a_condition_in_time_ends(emulator: Emulator, projects: Any) -> None:
    until = "request.time < timestamp('2400-01-01T00:00:00Z')"
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT, condition=until))
    before = emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)

    emulator.admin.advance_clock(400 * 366 * 86_400)

    assert before
    assert not emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)


def test_a_condition_that_is_not_understood_grants_nothing_and_is_noted(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT, condition="resource.matchTag('a/b', 'c')"))

    assert not emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
    assert "resource.matchTag" in emulator.admin.journal(kind="condition")[0].detail


def test_members_of_nested_groups_hold_what_the_group_holds(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, f"group:{TEAM_EMAIL}"))

    assert emulator.admin.holds(ALICE, "cloudsql.instances.login", PROJECT, INSTANCE)


def test_grants_are_read_at_once_and_act_later(emulator: Emulator, projects: Any) -> None:
    emulator.admin.set_propagation(grants=120, revocations=420)

    granted = write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))
    at_once = emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
    emulator.admin.advance_clock(121)
    later = emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)

    assert read(projects)["bindings"] == granted["bindings"]
    assert (at_once, later) == (False, True)


def test_revocations_are_read_at_once_and_act_later(emulator: Emulator, projects: Any) -> None:
    write(projects, with_binding(read(projects), LOGIN_ROLE, CHECKOUT))
    emulator.admin.set_propagation(grants=120, revocations=420)

    found = read(projects)
    write(projects, {**found, "bindings": found["bindings"][:-1]})
    at_once = emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
    emulator.admin.advance_clock(421)

    assert at_once
    assert not emulator.admin.holds(CHECKOUT, "cloudsql.instances.login", PROJECT, INSTANCE)
