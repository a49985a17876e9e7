"""What a DatabaseGrant's status remembers of what was done for it, by which it is judged and taken back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import AccessRule, ConnectionName
from cloudsql_iam_operator.core.access.admission import Admission, admission_in
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, of_roles, roles_in
from cloudsql_iam_operator.core.grants.desired.written import recorded, rendered


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """Where something was given, and what; `found` is what of it was there before.

    `instance` is a connection name, `instance_name` that of its object. `holders` are CloudSQLIAMUsers by the roles in
    the ledger that are theirs; the other roles were named themselves. `cascade`: what they passed on goes along.
    """

    instance: str = ""
    instance_name: str = ""
    database: str = ""
    ledger: Ledger = frozenset()
    holders: Mapping[str, str] = field(default_factory=dict)
    admission: Admission = field(default_factory=Admission)
    found: Ledger = frozenset()
    cascade: bool = False

    def admitted(self, rule: AccessRule, now: datetime, until: datetime | None) -> "GrantRecord":
        """The record of a grant that this rule admits now, with this end."""
        return replace(self, admission=self.admission.renewed(now, until), cascade=rule.cascade)

    def ending_by(self, until: datetime | None) -> "GrantRecord":
        """The record with this end where it is the earlier one."""
        ends = [end for end in (self.admission.until, until) if end]
        return replace(self, admission=replace(self.admission, until=min(ends, default=None)))

    def placed(self, connection: ConnectionName, spec: DatabaseGrant) -> "GrantRecord":
        """The record with the place that a grant names."""
        return replace(self, instance=str(connection), instance_name=spec.instance, database=spec.database)

    def with_ledger(self, ledger: Ledger, holders: Mapping[str, str] | None = None) -> "GrantRecord":
        """The record with this ledger, and no more holders than it names roles."""
        roles = roles_in(ledger)
        known = {**self.holders, **(holders or {})}
        return replace(self, ledger=ledger, holders={role: known[role] for role in sorted(roles & known.keys())})

    def finding(self, found: Ledger) -> "GrantRecord":
        """The record with what was found, for as long as it holds anything."""
        return replace(self, found=found if self.ledger else frozenset())

    def held_by(self, users: frozenset[str]) -> Ledger:
        """What these CloudSQLIAMUsers hold."""
        return of_roles(self.ledger, lambda role: self.holders.get(role) in users)

    def fields(self) -> dict[str, Any]:
        """The part of the status that says so; what was never admitted leaves no word."""
        named = {"instance": self.instance, "instanceName": self.instance_name, "database": self.database}
        holders = [{"role": role, "user": user} for role, user in self.holders.items()]
        return {
            **{name: value for name, value in named.items() if value},
            **self.admission.fields(),
            **({"holders": holders} if holders else {}),
            "applied": rendered(self.ledger),
            **({"found": rendered(self.found)} if self.found else {}),
            **({"cascade": True} if self.cascade else {}),
        }


def grant_record_in(status: Mapping[str, Any]) -> GrantRecord:
    """The record that a status holds; an empty one when it holds none."""
    return GrantRecord(
        instance=status.get("instance", ""),
        instance_name=status.get("instanceName", ""),
        database=status.get("database", ""),
        ledger=recorded(status.get("applied", ())),
        holders={one["role"]: one["user"] for one in status.get("holders", ())},
        admission=admission_in(status),
        found=recorded(status.get("found", ())),
        cascade=bool(status.get("cascade", False)),
    )
