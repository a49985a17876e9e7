"""IAM members as text: their kinds, their canonical form and the database user names that they log in as."""

import re

SERVICE_ACCOUNT_SUFFIX = ".gserviceaccount.com"
LONGEST_NAME = 63
"""Bytes of a PostgreSQL identifier."""

_WORKLOAD = re.compile(r"serviceAccount:(?P<project>[^\[\]]+)\.svc\.id\.goog\[[^\[\]/]+/[^\[\]/]+\]", re.IGNORECASE)
_CASE_MATTERS = ("principal:", "principalSet:", "deleted:")


def canonical(member: str) -> str:
    """A member in the one form that is compared: addresses in lower case, everything else as it is."""
    if member.startswith(_CASE_MATTERS):
        return member
    kind, colon, address = member.partition(":")
    return f"{kind}{colon}{address.lower()}"


def kind_of(member: str) -> str:
    """What stands before the first colon: user, serviceAccount, group, domain, principal, deleted …."""
    return member.partition(":")[0]


def address_of(member: str) -> str:
    """What stands behind the first colon."""
    return member.partition(":")[2]


def workload_project(member: str) -> str | None:
    """The project whose workload pool a member such as `serviceAccount:P.svc.id.goog[NS/KSA]` is in, else None."""
    found = _WORKLOAD.fullmatch(member)
    return found["project"] if found else None


def database_name(member: str) -> str:
    """The PostgreSQL user name of a member; of a service account no more than PostgreSQL keeps.

    Source: Cloud SQL for PostgreSQL, "Manage users with IAM database authentication"; alloydb-java-connector issue 455
    """
    if kind_of(member) in {"principal", "principalSet"}:
        return member.rpartition("/subject/")[2]
    name = address_of(member).lower().removesuffix(SERVICE_ACCOUNT_SUFFIX)
    return kept(name) if kind_of(member) == "serviceAccount" else name


def kept(name: str) -> str:
    """What PostgreSQL keeps of a name."""
    return name.encode()[:LONGEST_NAME].decode(errors="ignore")


def deleted_member(member: str, uid: str) -> str:
    """What a policy says about a member that was deleted."""
    return f"deleted:{member}?uid={uid}"


def is_covered_by(member: str, granted: str) -> bool:
    """Whether a grant to `granted` reaches a member directly; groups are not looked into."""
    if granted == member:
        return True
    if granted.startswith("principalSet:") and granted.endswith("/*"):
        pool = granted.removeprefix("principalSet:").removesuffix("*")
        return member.removeprefix("principal:").startswith(pool)
    if kind_of(granted) == "domain":
        return kind_of(member) in {"user", "group"} and member.endswith(f"@{address_of(granted)}")
    return False
