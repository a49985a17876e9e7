"""The health script for Argo CD, run by Lua on statuses as the operator writes them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lupa  # type: ignore[import-untyped] # it has no stubs
import pytest

from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.status import ConditionType, Finding, conditions

PAGE = Path(__file__).parents[3] / "docs" / "argocd.md"
NOW = datetime(2026, 11, 26, tzinfo=UTC)


def script() -> str:
    return PAGE.read_text().partition("```lua\n")[2].partition("```")[0]


def health(status: Any, **metadata: Any) -> tuple[str, str]:
    """What Argo CD would show of an object of generation 2."""
    lua: Any = lupa.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from({"metadata": {"generation": 2, **metadata}, "status": status}, recursive=True)
    answer = lua.execute(script())
    return answer["status"], answer["message"]


def status(*findings: Finding, generation: int = 2) -> dict[str, Any]:
    found = conditions(findings, generation=generation, previous=(), now=NOW)
    listed = [{"type": c.type, "status": c.status, "reason": c.reason, "message": c.message} for c in found]
    return {"observedGeneration": generation, "conditions": listed}


def finding(reason: Reason) -> Finding:
    layer = ConditionType.SUSPENDED if reason is Reason.SUSPENDED else ConditionType.GRANTS_APPLIED
    return Finding(layer, reason, "so it is")


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_each_reason_has_the_health_that_its_standing_means(reason: Reason) -> None:
    wanted = {Standing.HOLDS: "Healthy", Standing.WAITS: "Progressing", Standing.STALLED: "Degraded"}[reason.standing]

    shown, message = health(status(finding(reason)))

    assert shown == ("Suspended" if reason is Reason.SUSPENDED else wanted)
    assert message


def test_nothing_is_healthy_that_nobody_has_looked_at() -> None:
    assert health(None)[0] == "Progressing"
    assert health({"observedGeneration": -1})[0] == "Progressing"
    assert health(status(generation=1))[0] == "Progressing"


def test_what_is_being_deleted_is_not_healthy() -> None:
    assert health(status(), deletionTimestamp="2026-11-26T00:00:00Z")[0] == "Progressing"
