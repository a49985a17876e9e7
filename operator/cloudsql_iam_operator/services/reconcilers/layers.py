"""The layers of one reconcile: each is tried in turn, and the first that does not hold ends it."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.runtime.reports import Report

T = TypeVar("T")

SOON = 0.5
"""Seconds after an admitted end at which an object is reconciled, so that it has surely come."""


class Blocked(Exception):
    """A layer does not hold and its finding is noted; what builds on it is not tried. It takes no access away."""


class Layers:
    """Findings of one reconcile, in the order of its layers."""

    __slots__ = ("_advice", "_by", "_changes", "_findings", "_instance", "_passing", "_retry_after", "_warnings")

    def __init__(self, advice: str = "", instance: str = "") -> None:
        """`advice` is added to the message of every failure: what helps in this reconcile whatever it was.

        `instance` is the CloudSQLInstance that it is about, which every message names; "" when that is the object.
        """
        self._advice = advice
        self._instance = instance
        self._findings: list[Finding] = []
        self._changes: list[tuple[str, str]] = []
        self._warnings: list[tuple[str, str]] = []
        self._retry_after: float | None = None
        self._by: float | None = None
        self._passing = False

    async def hold(self, layer: ConditionType, step: Awaitable[T], message: str = "") -> T:
        """What the step gives, noting that the layer holds; with no message, only a failure is noted.

        Raises:
            Blocked: the step failed with a verdict, which is noted.
        """
        try:
            value = await step
        except Failure as failure:
            self.fail(layer, failure)
            raise Blocked from failure
        if message:
            self.note(layer, Reason.SUCCEEDED, message)
        return value

    def note(self, layer: ConditionType, reason: Reason, message: str) -> None:
        """Note how a layer stands."""
        self._findings.append(Finding(layer, reason, message))

    def noted(self, layer: ConditionType) -> bool:
        """Whether it was noted how a layer stands."""
        return any(finding.type is layer for finding in self._findings)

    def holds(self, layer: ConditionType) -> bool:
        """Whether it was noted that a layer holds."""
        return any(finding.type is layer and finding.holds for finding in self._findings)

    def lead(self, layer: ConditionType, reason: Reason, message: str) -> None:
        """Note how a layer stands ahead of all others, because it is why they do not hold; what was noted goes."""
        others = [finding for finding in self._findings if finding.type is not layer]
        self._findings = [Finding(layer, reason, message), *others]

    def fail(self, layer: ConditionType, failure: Failure) -> None:
        """Note a verdict, and when it wants to be tried again."""
        self.note(layer, failure.reason, failure.message + self._advice)
        if isinstance(failure, NotYet):
            self._retry_after, self._passing = failure.retry_after, failure.passing

    def changed(self, reason: str, sentence: str) -> None:
        """Note a change that was made, to be posted as an Event; with "" it is only counted."""
        self._changes.append((reason, sentence))

    def changed_too(self, reason: str, sentence: str) -> None:
        """Note a change that goes with the last one: it is counted by itself and told in the same Event."""
        if not self._changes:
            self.changed(reason, sentence)
            return
        before, told = self._changes[-1]
        self._changes[-1:] = [(before, f"{told}; {sentence}" if told else sentence), (reason, "")]

    def warn(self, reason: str, sentence: str) -> None:
        """Note what somebody must not miss, to be posted as a Warning Event."""
        self._warnings.append((reason, sentence))

    def end_at(self, until: datetime | None) -> None:
        """Reconcile again once an end that was admitted has come, whatever else waits."""
        left = (until - datetime.now(UTC)).total_seconds() if until else -1.0
        self._by = left + SOON if left > 0 else None

    def report(self, fields: Mapping[str, Any], interval: float) -> Report:
        """What the reconcile found. `interval` is seconds until the next one when nothing waits."""
        waits = any(finding.reason.standing is Standing.WAITS for finding in self._findings)
        again = self._retry_after if waits else interval
        findings = tuple(f if f.holds else replace(f, message=self._placed(f.message)) for f in self._findings)
        changes, warnings = (
            tuple((reason, self._placed(text)) for reason, text in told) for told in (self._changes, self._warnings)
        )
        return Report(findings, fields, again, changes, warnings, self._by, self._passing)

    def _placed(self, text: str) -> str:
        """The text, which says on which instance; ahead of it, because a text may end with a command."""
        place = f"CloudSQLInstance {self._instance}"
        return text if not (text and self._instance) or place in text else f"on {place}: {text}"
