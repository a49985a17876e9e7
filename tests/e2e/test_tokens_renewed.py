"""A wave over tokens that are renewed, and end, while it runs."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import pytest

from cloudsql_emulator.admin_client import JournalEntry
from e2e import world
from e2e.fleet import Fleet, fleet_of
from e2e.tenant import Tenant
from e2e.waiting import eventually

USERS = 30
"""With a grant each; an instance makes one after another."""

MAKING = 1.5
"""Seconds that an instance takes to make a user: all of them take longer than a token is good."""

TOLD, GOOD = 245.0, 35.0
"""Seconds. The client library renews a token 225 s before the end that it was told, the connector 240 s before."""

SESSIONS = 2
"""`operator.sessions` of the chart."""

LIMIT = 600.0
OPERATOR = f"serviceAccount:{world.OPERATOR}"
OPEN = "SELECT pid FROM pg_stat_activity WHERE application_name = 'cloudsql-iam-operator'"


@pytest.fixture
def fleet(tenant: Tenant) -> Iterator[Fleet]:
    told, control = fleet_of(tenant, USERS), tenant.stage.cloud.control
    control.set_token_life(TOLD, GOOD)
    control.set_pace(running=MAKING)
    yield told
    control.set_pace()
    control.set_token_life()
    told.delete(LIMIT)


def test_a_wave_goes_on_while_its_tokens_are_renewed_and_end(fleet: Fleet, tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    start, sessions = cloud.control.position(), [set[int]()]

    fleet.declare_at_once()
    eventually(lambda: _is_ready(tenant, fleet, sessions), f"{USERS} users and grants are Ready", LIMIT)

    asked = cloud.control.journal(since=start)
    tokens = [entry for entry in asked if entry.method == "metadata.token" and entry.caller == OPERATOR]
    logins = [entry for entry in asked if entry.kind == "login" and entry.caller == OPERATOR]
    assert _moment(asked[-1]) - _moment(tokens[0]) > GOOD, "the first tokens did not end before the wave did"
    assert len({int((_moment(token) - _moment(tokens[0])) / GOOD) for token in tokens}) > 1
    assert [entry for entry in asked if entry.status == 401] == []
    assert {entry.status for entry in logins} == {200}
    # one that was left ends a moment after the next began: what is seen twice was open at once
    assert max(len(one & next_) for one, next_ in pairwise(sessions)) <= SESSIONS
    assert _warnings(tenant) == []


def _is_ready(tenant: Tenant, fleet: Fleet, sessions: list[set[int]]) -> bool:
    sessions.append({pid for (pid,) in tenant.stage.cloud.sql("postgres", OPEN)})
    return fleet.all_ready()


def _moment(entry: JournalEntry) -> float:
    return datetime.fromisoformat(entry.time).timestamp()


def _warnings(tenant: Tenant) -> list[str]:
    """What Events of the tenant's namespace warn of."""
    events = tenant.kubectl.list("events", tenant.name)
    return [f"{event['reason']}: {event['message']}" for event in events if event["type"] == "Warning"]
