"""The operator is killed in the middle of its work, and what it did is neither lost nor done twice."""

import os
import signal
from collections import Counter

from e2e import world
from e2e.processes import operator_process
from e2e.tenant import Tenant
from e2e.waiting import eventually

USERS = tuple(f"killed-{number}" for number in range(1, 6))


def test_an_operator_that_is_killed_midway_finishes_after_its_restart(tenant: Tenant) -> None:
    control = tenant.stage.cloud.control
    for name in USERS:
        tenant.account(name)
    tenant.instance()
    tenant.ready("csqli")
    before = control.position()
    control.add_fault("sql.users.insert", latency=1.0, times=len(USERS))
    for name in USERS:
        tenant.user(name)
    eventually(lambda: len(inserts(tenant, before)) >= 2, "some users are made")

    os.kill(operator_process(), signal.SIGKILL)

    for name in USERS:
        tenant.ready("csqlu", name)
    made = Counter(entry for entry in inserts(tenant, before))
    assert set(made) == {f"{name}@{world.PROJECT}.iam" for name in USERS}
    holders = [m for b in tenant.stage.cloud.policy()["bindings"] for m in b["members"] if "killed-" in m]
    assert Counter(Counter(holders).values()) == {2: len(USERS)}
    control.clear_faults()


def inserts(tenant: Tenant, since: int) -> list[str]:
    """Names of the users that were asked to be made and were, oldest first."""
    entries = tenant.stage.cloud.control.journal(since=since, method="sql.users.insert")
    return [str(entry.summary["name"]) for entry in entries if entry.status == 200]
