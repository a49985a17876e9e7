"""One reconcile of a DatabaseGrant, and what its status says: numbers, what was applied, last done, and is left."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import orjson

from cloudsql_iam_operator.api.grant import Grantee, UserRef
from cloudsql_iam_operator.api.names import APPROVE, Key
from cloudsql_iam_operator.api.parsing.times import instant_text
from cloudsql_iam_operator.core.grants.decided.approval import Approval, approval
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord, grant_record_in
from cloudsql_iam_operator.core.reasons import Reason, Standing
from cloudsql_iam_operator.core.visibility import visible
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.layers import Layers
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report

SAMPLE = 5
"""How many statements a status shows."""

STATEMENT_LENGTH = 500

PLAN_BYTES = 8192
"""How long the statements of a plan may be together to be shown whole."""

_RECORD = ("instance", "instanceName", "database", "admittedAt", "expiresAt", "holders", "applied", "found", "cascade")
_KEPT = ("grantees", "observed", "approved", "plan", "residual", "last", "drift")


@dataclass(frozen=True, slots=True)
class Named:
    """The grantees of a grant with their roles, and those that have none yet with the reason why.

    `cut` are the roles whose names PostgreSQL does not keep whole.
    """

    roles: Mapping[Grantee, str]
    missing: tuple[Problem, ...]
    cut: frozenset[str] = frozenset()

    @property
    def holders(self) -> dict[str, str]:
        """Names of CloudSQLIAMUsers by their roles."""
        return {role: grantee.name for grantee, role in self.roles.items() if isinstance(grantee, UserRef)}


@dataclass(slots=True)
class Visit:
    """One reconcile of one grant: what was found so far, and what the status will say.

    `stored` is what the status that it began with remembers of what was done, `record` what the next one will.
    """

    live: Live
    layers: Layers
    stored: GrantRecord
    record: GrantRecord
    told: dict[str, Any] | str = ""
    """The fields; while it waits, as text, or "" where they are what is stored, for thousands may wait for one pass."""
    interval: float = 300.0
    listed: frozenset[str] = frozenset()
    about_to: tuple[GrantWant, GrantRecord] | None = None
    """What it asked for that is not on record yet, and what is to be recorded of it."""

    @classmethod
    def of(cls, live: Live, layers: Layers) -> "Visit":
        """A reconcile that begins."""
        stored = grant_record_in(live.status)
        return cls(live, layers, stored, stored)

    @property
    def fields(self) -> dict[str, Any]:
        """What the status will say beside the record and conditions."""
        if isinstance(self.told, str):
            self.told = orjson.loads(self.told) if self.told else kept(self.live.status)
        return cast("dict[str, Any]", self.told)

    def set_aside(self) -> None:
        """Have the fields take little until they are asked for."""
        fields = self.fields
        self.told = "" if fields == kept(self.live.status) else orjson.dumps(fields).decode()

    @property
    def approved(self) -> str:
        """The hash of the plan that a person approved, by annotation; "" without one."""
        return self.live.annotations.get(APPROVE, "")

    def approval(self, answer: GrantAnswer) -> Approval:
        """How that stands to the plan of this answer."""
        return approval(self.approved, self.fields.get("approved", ""), answer.plan_hash)

    @property
    def status(self) -> dict[str, Any]:
        """What the status will say beside conditions; a record that is as it was, in the words that are stored."""
        same = self.record == self.stored
        return self.fields | (_part(self.live.status, _RECORD) if same else self.record.fields())

    def report(self) -> Report:
        """What the reconcile found."""
        return self.layers.report(self.status, self.interval)


def kept(status: Mapping[str, Any]) -> dict[str, Any]:
    """What a reconcile that found out nothing new leaves as it was, beside the record."""
    return _part(status, _KEPT)


def _part(status: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: status[name] for name in names if name in status}


def status_fields(answer: GrantAnswer, named: Named, before: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The fields that a pass's answer changes."""
    names = {role: grantee.name for grantee, role in named.roles.items()}
    observed = answer.observed
    fields: dict[str, Any] = {
        "grantees": [
            {"name": names.get(g.role, g.role), "role": g.role, "exists": g.exists, "truncated": g.role in named.cut}
            for g in answer.grantees
        ],
        "observed": {
            "desired": observed.desired,
            "held": observed.held,
            "missing": observed.missing,
            "excess": observed.excess,
            "foreign": observed.foreign,
            "unreachable": observed.unreachable,
            "ofExtensions": observed.extended,
            "found": answer.found_privileges,
        },
        "residual": [
            {"role": r.role, "privilege": r.privilege, "through": visible(r.through), "objects": r.objects}
            for r in answer.residual
        ],
        "last": before.get("last"),
    }
    if answer.executed:
        fields["last"] = {
            "granted": answer.granted,
            "revoked": answer.revoked,
            "statements": len(answer.executed),
            "sample": shortened(answer.executed),
        }
    if answer.drift.privileges:
        fields["drift"] = {
            "detected": before.get("drift", {}).get("detected", 0) + answer.drift.privileges,
            "lastTime": instant_text(now),
            "sample": shortened(answer.drift.statements),
        }
    return {name: value for name, value in fields.items() if value is not None}


def plan_told(answer: GrantAnswer) -> dict[str, Any]:
    """A plan as the status shows it: all statements when they are few and short, else the first of them."""
    planned = [visible(text) for text in answer.planned]
    whole = sum(len(text.encode()) for text in planned) <= PLAN_BYTES
    sample = planned if whole else shortened(planned)
    return {"hash": answer.plan_hash, "statements": len(answer.planned), "sample": sample}


def waits_for_approval(key: Key, standing: Approval, answer: GrantAnswer) -> tuple[Reason, str]:
    """Why a plan is not executed, and how to approve it."""
    what = f"{len(answer.planned)} statements would be executed, see status.plan"
    command = f"kubectl annotate dbg {key.name} -n {key.namespace} --overwrite {APPROVE}={answer.plan_hash}"
    match standing:
        case Approval.MISSING | Approval.FITS:
            return Reason.PLANNED, f"{what}; to approve: {command}"
        case Approval.OTHER:
            return Reason.PLAN_CHANGED, f"the annotation {APPROVE} names another plan: {what}; to approve: {command}"
        case Approval.USED:
            text = f"the plan that the annotation {APPROVE} names was executed once, and is there again: {what}"
            return Reason.PLAN_CHANGED, f"{text}; to approve it anew, take the annotation off first, then: {command}"


def shortened(statements: Sequence[str]) -> list[str]:
    """A few statements as they can be looked at, each cut to a length that a status can hold."""
    shown = [visible(text) for text in statements[:SAMPLE]]
    return [text if len(text) <= STATEMENT_LENGTH else text[:STATEMENT_LENGTH] + "…" for text in shown]


def worst(problems: Sequence[Problem]) -> tuple[Reason, str] | None:
    """The reason to show for several problems, one that needs an edit first, and all sentences of it."""
    if not problems:
        return None
    ranked = sorted(problems, key=lambda p: p.reason.standing is not Standing.STALLED)
    reason = ranked[0].reason
    return reason, "; ".join(dict.fromkeys(p.message for p in ranked if p.reason is reason))
