"""Events about one reconcile: what was changed, and how the object came to stand."""

from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.adapters.cluster.objects import Notice
from cloudsql_iam_operator.core.reasons import is_warning
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report


def readiness(status: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a status others wait for: status and reason of Ready, and whether it is being withdrawn."""
    ready = next((c for c in status.get("conditions", ()) if c["type"] == "Ready"), None)
    return (ready["status"], ready["reason"], bool(status.get("withdrawn"))) if ready else ()


def warnings_of(live: Live, report: Report) -> list[Notice]:
    """Events that somebody must not miss."""
    return [_notice(live, what, text) for what, text in report.warnings]


def notices_of(live: Live, report: Report) -> list[Notice]:
    """Events about what was changed, and about Ready when that came to stand otherwise and nothing else says so.

    That a new object waits for what goes on by itself is no event: its status says so.
    """
    notices = [_notice(live, what, text) for what, text in report.changes if text]
    before = readiness(live.status)
    blocking = next((f for f in report.findings if f.blocks), None)
    if blocking is not None and before[1:2] != (str(blocking.reason),) and (before or is_warning(str(blocking.reason))):
        notices.append(_notice(live, str(blocking.reason), blocking.message))
    if blocking is None and before[:1] != ("True",) and not notices:
        notices.append(_notice(live, "Succeeded", "as declared"))
    return notices


def _notice(live: Live, reason: str, message: str) -> Notice:
    return Notice(live.body, warning=is_warning(reason), reason=reason, message=message)
