"""What a CloudSQLIAMUser's status remembers of what the operator did, to be taken back one day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.core.iam.bindings import BindingRef, folded
from cloudsql_iam_operator.core.users.plan import Ownership


@dataclass(frozen=True, slots=True)
class UserRecord:
    """Names of the user, and which bindings and database user are ours. "" where not known yet."""

    instance: str = ""
    member: str = ""
    username: str = ""
    user_type: str = ""
    bindings: frozenset[BindingRef] = frozenset()
    foreign: frozenset[BindingRef] = frozenset()
    ownership: Ownership = Ownership.NONE
    propagation_until: str = ""

    @property
    def owns_anything(self) -> bool:
        """Whether there is something to take back."""
        return bool(self.bindings) or self.ownership is not Ownership.NONE

    def fields(self) -> dict[str, Any]:
        """The part of the status that says so."""
        refs = sorted((ref, ref in self.bindings) for ref in self.bindings | self.foreign)
        bindings = [{"role": ref.role, "condition": ref.title, "added": added} for ref, added in refs]
        until = {"propagationUntil": self.propagation_until} if self.propagation_until else {}
        named = {
            "instance": self.instance,
            "member": self.member,
            "username": self.username,
            "userType": self.user_type,
        }
        return {
            **{name: value for name, value in named.items() if value},
            **({"iam": {"bindings": bindings, **until}} if bindings or until else {}),
            "created": self.ownership is Ownership.CREATED,
            "adopted": self.ownership is Ownership.ADOPTED,
        }


def record_in(status: Mapping[str, Any]) -> UserRecord:
    """The record that a status holds; an empty one when it holds none."""
    member = status.get("member", "")
    iam = status.get("iam") or {}
    entries = [
        (BindingRef(folded(member), entry["role"], entry.get("condition", "")), entry.get("added", False))
        for entry in iam.get("bindings", ())
    ]
    ownership = Ownership.NONE
    if status.get("created"):
        ownership = Ownership.CREATED
    elif status.get("adopted"):
        ownership = Ownership.ADOPTED
    return UserRecord(
        instance=status.get("instance", ""),
        member=member,
        username=status.get("username", ""),
        user_type=status.get("userType", ""),
        bindings=frozenset(ref for ref, added in entries if added),
        foreign=frozenset(ref for ref, added in entries if not added),
        ownership=ownership,
        propagation_until=iam.get("propagationUntil", ""),
    )
