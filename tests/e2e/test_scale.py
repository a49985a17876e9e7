"""What many objects cost: calls are counted, and memory, and never seconds."""

import os
import time
from collections.abc import Iterator

import pytest

from benchmarks.memory import resident
from e2e.fleet import Fleet, fleet_of
from e2e.tenant import Tenant
from e2e.waiting import eventually

USERS = 150
"""With a grant each: 300 objects."""

INTERVAL = 20
LIMIT = 600.0
LOGINS = 2
"""At a restart beside an edit: one for the edit, one for all others at most."""

MEMORY = 200.0
"""MiB of the operator: what 2,000 objects may take. These take some 140."""

READS = ("cloudresourcemanager.projects.getIamPolicy", "sql.users.list")


@pytest.fixture
def fleet(tenant: Tenant) -> Iterator[Fleet]:
    told = fleet_of(tenant, USERS, interval=f"{INTERVAL}s")
    yield told
    told.delete(LIMIT)


def test_three_hundred_objects_cost_a_handful_of_calls_now_at_rest_and_after_a_restart(fleet: Fleet) -> None:
    fleet.declare_at_once()
    start = fleet.position()
    fleet.ready(LIMIT)
    wave = fleet.calls(start)

    assert wave.all("sql.users.insert") == USERS
    assert wave.all("sql.users.list") <= 10
    assert wave.all("cloudresourcemanager.projects.getIamPolicy") <= 6
    assert wave.all("cloudresourcemanager.projects.setIamPolicy") <= 6
    assert wave.most("login") <= 20

    _rests(fleet)
    _starts_again(fleet)


def _rests(fleet: Fleet) -> None:
    """While policy and users are looked at twice nothing is written, and each is asked for once an interval."""
    eventually(lambda: _quiet(fleet), "all is as declared and checked", LIMIT)
    began, start, versions = time.monotonic(), fleet.position(), fleet.versions()
    eventually(lambda: min(fleet.calls(start).all(read) for read in READS) >= 2, "two intervals went by", LIMIT)
    rest, looks = fleet.calls(start), 1 + int((time.monotonic() - began) / INTERVAL)

    assert rest.writes == 0
    assert fleet.versions() == versions
    assert {read: rest.all(read) for read in READS if rest.all(read) > looks} == {}
    assert rest.most("login") <= looks + LOGINS


def _quiet(fleet: Fleet) -> bool:
    """Whether a look at the users finds nothing to do."""
    start = fleet.position()
    eventually(lambda: fleet.calls(start).all("sql.users.list"), "users are listed", LIMIT)
    return fleet.calls(start).writes == 0


def _starts_again(fleet: Fleet) -> None:
    """A restarted operator honours an edit first, and looks at all others together."""
    start, versions, began = fleet.position(), fleet.versions(), time.monotonic()
    fleet.restart()
    fleet.edit(7)
    eventually(lambda: fleet.reconciled() >= 2 * USERS, "every object was looked at", LIMIT)
    restart, intervals = fleet.calls(start), int((time.monotonic() - began) / INTERVAL)

    assert restart.writes == 0
    changed = {name for name, version in fleet.versions().items() if versions[name] != version}
    assert changed == {"g-00007"}
    for read in READS:
        assert restart.all(read) <= 2 + intervals, restart
    assert restart.most("login") <= LOGINS + intervals, restart
    assert max(resident(os.getpid(), "cloudsql_iam_operator run")) <= MEMORY
