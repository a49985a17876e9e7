"""From findings to conditions, in the shape that kstatus, `kubectl wait` and Argo CD read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.visibility import visible


class ConditionType(StrEnum):
    """Types of conditions. Ready always; Reconciling or Stalled only while True, never both; then one per layer."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    ACCESS_ALLOWED = "AccessAllowed"
    PRINCIPAL_RESOLVED = "PrincipalResolved"
    IAM_BOUND = "IAMBound"
    USER_READY = "UserReady"
    GRANTS_APPLIED = "GrantsApplied"
    ADMIN_REACHABLE = "AdminReachable"
    ADMIN_LOGIN_READY = "AdminLoginReady"
    IAM_AUTHENTICATION_ENABLED = "IAMAuthenticationEnabled"
    SETTINGS_AGREED = "SettingsAgreed"
    DRIFTED = "Drifted"
    NETWORK_POLICY_READY = "NetworkPolicyReady"
    SUSPENDED = "Suspended"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one layer stands: which condition, why, and one sentence for a person."""

    type: ConditionType
    reason: Reason
    message: str

    @property
    def holds(self) -> bool:
        """Whether the layer is as declared."""
        return self.reason.standing is Standing.HOLDS

    @property
    def blocks(self) -> bool:
        """Whether it keeps the object from being Ready."""
        return not self.holds and self.type not in _ADVISORY


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of `status.conditions`; `since` is lastTransitionTime."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int
    since: datetime


def conditions(
    findings: Sequence[Finding], *, generation: int, previous: Iterable[Condition], now: datetime
) -> tuple[Condition, ...]:
    """Conditions of an object whose layers were found to stand so, most important first.

    Ready is the first finding that does not hold, or Succeeded; a finding about Ready itself is one that belongs to no
    layer. `since` is kept while a status does not flip.
    """
    then = {condition.type: condition for condition in previous}

    def condition(type_: ConditionType, status: str, reason: Reason, message: str) -> Condition:
        before = then.get(type_)
        since = before.since if before is not None and before.status == status else now
        return Condition(type_.value, status, str(reason), visible(message), generation, since)

    blocking = next((finding for finding in findings if finding.blocks), None)
    listed = [condition(*_ready(findings, blocking))]
    if blocking is not None:
        listed.append(condition(_progress(blocking), "True", blocking.reason, blocking.message))
    layers = [finding for finding in findings if finding.type is not ConditionType.READY]
    listed += [condition(f.type, _layer_status(f), f.reason, f.message) for f in layers]
    return tuple(listed)


def _ready(findings: Sequence[Finding], blocking: Finding | None) -> tuple[ConditionType, str, Reason, str]:
    if blocking is not None:
        return ConditionType.READY, "False", blocking.reason, blocking.message
    telling = next((f for f in findings if f.reason in _TELLING), None)
    if telling is not None:
        return ConditionType.READY, "True", telling.reason, telling.message
    return ConditionType.READY, "True", Reason.SUCCEEDED, "as declared"


_TELLING = (Reason.EXPIRED, Reason.OBSERVING)
"""Reasons that hold and still belong on Ready, because something other than the plain success is the declared state."""

_ADVISORY = (ConditionType.SETTINGS_AGREED, ConditionType.DRIFTED, ConditionType.NETWORK_POLICY_READY)
"""Conditions that somebody should look at and that keep nothing from working."""

_NEGATIVE = (ConditionType.DRIFTED, ConditionType.SUSPENDED)
"""Conditions whose True is the unusual state."""


def _progress(blocking: Finding) -> ConditionType:
    return ConditionType.STALLED if blocking.reason.standing is Standing.STALLED else ConditionType.RECONCILING


def _layer_status(finding: Finding) -> str:
    if finding.type in _NEGATIVE:
        return "False" if finding.holds else "True"
    return "True" if finding.holds else "False"
