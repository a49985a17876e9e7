"""What a reconcile reports of an object: findings, status, Events, and when to reconcile again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cloudsql_iam_operator.adapters.cluster.objects import Notice
from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.parsing.texts import printed
from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.reasons import is_warning
from cloudsql_iam_operator.core.status import Condition, Finding, conditions
from cloudsql_iam_operator.services.runtime.registry import Live

_LONGEST_REQUEST = 128
"""Characters of a requestedAt that are read and echoed: a time has 35, an annotation can have 256 KiB."""
LOOKS = 1.5
"""Intervals that the last look of a lane may be old: it looks again after two thirds of that."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one reconcile.

    `fields` is the status beside conditions, in full. `again` is seconds until the next reconcile; None leaves that to
    backoff.
    `changes` are past-tense sentences, each an Event; one with no words is only counted. `warnings` are
    Events that somebody must not miss, posted for an object that goes too. `by` is seconds within which to reconcile
    again whatever `again` and backoff say, because an end comes then. `passing`: a new object need not tell of it.
    """

    findings: tuple[Finding, ...]
    fields: Mapping[str, Any] = field(default_factory=dict)
    again: float | None = None
    changes: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    by: float | None = None
    passing: bool = False

    @property
    def holds(self) -> bool:
        """Whether every layer is as declared."""
        return not any(finding.blocks for finding in self.findings)

    @property
    def reason(self) -> str:
        """Why not every layer is; "Succeeded" when it is."""
        blocking = next((finding for finding in self.findings if finding.blocks), None)
        return str(blocking.reason) if blocking else "Succeeded"


def status_of(live: Live, report: Report, now: datetime) -> dict[str, Any]:
    """The status to be stored for this report; equal to the stored one when nothing but time has passed."""
    found = conditions(report.findings, generation=live.generation, previous=_conditions(live), now=now)
    requested = requested_at(live.body)
    return {
        "observedGeneration": live.generation,
        **({"lastHandledReconcileAt": requested} if requested else {}),
        **report.fields,
        "conditions": [_rendered(condition) for condition in found],
    }


def fields_of(live: Live) -> dict[str, Any]:
    """What the stored status holds beside conditions and what was handled."""
    rewritten = {"observedGeneration", "lastHandledReconcileAt", "conditions"}
    return {name: value for name, value in live.status.items() if name not in rewritten}


def max_age(live: Live, interval: float) -> float:
    """How old a pass may be to serve this reconcile, in seconds: 0 when somebody asked for a fresh one.

    More than an interval, for lanes look again by themselves once an interval.
    """
    asked = requested_at(live.body)
    return 0.0 if asked and asked != live.status.get("lastHandledReconcileAt") else interval * LOOKS


def requested_at(body: Mapping[str, Any]) -> str:
    """When somebody asked for a fresh reconcile, by annotation; "" when nobody did."""
    return str((body["metadata"].get("annotations") or {}).get(REQUESTED_AT, ""))[:_LONGEST_REQUEST]


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


def _conditions(live: Live) -> list[Condition]:
    return [
        Condition(
            type=c["type"],
            status=c["status"],
            reason=c.get("reason", ""),
            message=c.get("message", ""),
            observed_generation=c.get("observedGeneration", 0),
            since=datetime.fromisoformat(c["lastTransitionTime"]),
        )
        for c in live.status.get("conditions", ())
    ]


def _rendered(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": printed(condition.message)[:32768],
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": instant_text(condition.since),
    }
