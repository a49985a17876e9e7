"""What a CloudSQLIAMUser's status remembers of what the operator did, to be taken back one day."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, KubernetesServiceAccount
from cloudsql_iam_operator.core.access.admission import Admission, admission_in
from cloudsql_iam_operator.core.iam.bindings import BindingRef, folded
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal

_NO_REFS: frozenset[BindingRef] = frozenset()
_NO_ROLES: frozenset[str] = frozenset()
"""Kept once: each empty set takes 216 bytes, and thousands of records have some."""


@dataclass(frozen=True, slots=True)
class UserRecord:
    """Names of the user, and which bindings and database user are ours. "" where not known yet.

    `instance` is a connection name, `instance_name` that of its object; `account` is the Kubernetes ServiceAccount that
    the principal was found through. `withdrawn`: it is no longer due, and what is left of it is being taken back;
    `retained`: it is no longer due and stays all the same, until somebody else declares it who is let in.
    `roles` are database roles that were given here; those that it had before are nobody's matter.
    """

    instance: str = ""
    instance_name: str = ""
    member: str = ""
    username: str = ""
    user_type: str = ""
    bindings: frozenset[BindingRef] = frozenset()
    foreign: frozenset[BindingRef] = frozenset()
    ownership: Ownership = Ownership.NONE
    propagation_until: str = ""
    account: str = ""
    admission: Admission = field(default_factory=Admission)
    withdrawn: bool = False
    retained: bool = False
    roles: frozenset[str] = frozenset()

    @property
    def email(self) -> str:
        """The principal without its type."""
        return self.member if self.member.startswith("principal:") else self.member.partition(":")[2]

    @property
    def serves(self) -> bool:
        """Whether there is a database user of this object's own that may hold privileges."""
        return self.ownership is not Ownership.NONE and not self.withdrawn

    def yields(self, now: datetime) -> bool:
        """Whether anybody else who is let in goes ahead: the end has come, or it is only retained."""
        return self.retained or self.admission.ended(now)

    @property
    def owns_anything(self) -> bool:
        """Whether there is something to take back."""
        return bool(self.bindings or self.roles) or self.ownership is not Ownership.NONE

    @property
    def relied_on(self) -> frozenset[BindingRef]:
        """Bindings by which it logs in, whoever added them."""
        return self.bindings | self.foreign if self.foreign else self.bindings

    def named(
        self, spec: CloudSQLIAMUser, connection: ConnectionName, who: ResolvedPrincipal, now: datetime
    ) -> "UserRecord":
        """The record of a user that is admitted now: all its names, before anything is made."""
        return replace(
            self,
            instance=str(connection),
            instance_name=spec.instance,
            member=who.member,
            username=who.username,
            user_type=who.user_type.value,
            account=spec.principal.name if isinstance(spec.principal, KubernetesServiceAccount) else "",
            admission=self.admission.renewed(now, spec.expires_at),
            withdrawn=False,
            retained=False,
        )

    def ending_by(self, until: datetime | None) -> "UserRecord":
        """The record with this end where it is the earlier one."""
        ends = [end for end in (self.admission.until, until) if end]
        return replace(self, admission=replace(self.admission, until=min(ends, default=None)))

    def bound(self, ours: frozenset[BindingRef], foreign: frozenset[BindingRef], until: str) -> "UserRecord":
        """The record of a user with these bindings, those that the operator added and others."""
        return replace(self, bindings=ours, foreign=foreign, propagation_until=until)

    def unbound(self) -> "UserRecord":
        """The record of a user without IAM bindings."""
        return replace(self, bindings=frozenset(), foreign=frozenset(), propagation_until="")

    def to_be_bound(self, refs: frozenset[BindingRef]) -> "UserRecord":
        """The record of a user for which these bindings are about to be added."""
        return replace(self, bindings=self.bindings | refs, foreign=self.foreign - refs)

    def inheriting(self, former: "UserRecord") -> "UserRecord":
        """The record with what another one of the same user leaves: the user, where this has none yet, and roles."""
        ownership = former.ownership if self.ownership is Ownership.NONE else self.ownership
        return replace(self, ownership=ownership, roles=self.roles | former.roles)

    def unnamed(self) -> "UserRecord":
        """The record of a user of which nothing is left: it lays claim to no name."""
        return UserRecord(admission=self.admission)

    def fields(self) -> dict[str, Any]:
        """The part of the status that says so."""
        refs = sorted((ref, ref in self.bindings) for ref in self.bindings | self.foreign)
        bindings = [{"role": ref.role, "condition": ref.title, "added": added} for ref, added in refs]
        until = {"propagationUntil": self.propagation_until} if self.propagation_until else {}
        named = {
            "instance": self.instance,
            "instanceName": self.instance_name,
            "serviceAccountName": self.account,
            "member": self.member,
            "username": self.username,
            "userType": self.user_type,
        }
        return {
            **{name: value for name, value in named.items() if value},
            **({"iam": {"bindings": bindings, **until}} if bindings or until else {}),
            **self.admission.fields(),
            **({"databaseRoles": sorted(self.roles)} if self.roles else {}),
            **({"withdrawn": True} if self.withdrawn else {}),
            **({"retained": True} if self.retained else {}),
            "created": self.ownership is Ownership.CREATED,
            "adopted": self.ownership is Ownership.ADOPTED,
        }


def record_in(status: Mapping[str, Any]) -> UserRecord:
    """The record that a status holds; an empty one when it holds none."""
    member = status.get("member", "")
    iam, bound = status.get("iam") or {}, folded(member)
    entries = [
        (BindingRef(bound, sys.intern(one["role"]), sys.intern(one.get("condition", ""))), one.get("added"))
        for one in iam.get("bindings", ())
    ]
    ownership = Ownership.NONE
    if status.get("created"):
        ownership = Ownership.CREATED
    elif status.get("adopted"):
        ownership = Ownership.ADOPTED
    return UserRecord(
        instance=sys.intern(status.get("instance", "")),  # thousands have these in common
        instance_name=sys.intern(status.get("instanceName", "")),
        member=member,
        username=status.get("username", ""),
        user_type=sys.intern(status.get("userType", "")),
        bindings=frozenset(ref for ref, added in entries if added) or _NO_REFS,
        foreign=frozenset(ref for ref, added in entries if not added) or _NO_REFS,
        ownership=ownership,
        propagation_until=iam.get("propagationUntil", ""),
        account=status.get("serviceAccountName", ""),
        admission=admission_in(status),
        withdrawn=bool(status.get("withdrawn", False)),
        retained=bool(status.get("retained", False)),
        roles=frozenset(status.get("databaseRoles", ())) or _NO_ROLES,
    )
