"""From a principal to its names: the IAM member, and the PostgreSQL user it logs in as."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION as GOOGLE_ACCOUNT
from cloudsql_iam_operator.api.parsing.principals import meant
from cloudsql_iam_operator.api.parsing.texts import ACCOUNT_SUFFIX, SERVICE_ACCOUNT, WORKFORCE_IDENTITY, shown
from cloudsql_iam_operator.api.user import (
    Group,
    KubernetesServiceAccount,
    Principal,
    ServiceAccount,
    User,
    WorkforceIdentity,
)
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason

IDENTIFIER_BYTES = 63
"""PostgreSQL cuts longer names silently."""

_SERVICE_ACCOUNT = "serviceAccount:"


class UserType(StrEnum):
    """Types of database users, as the Cloud SQL Admin API names them."""

    BUILT_IN = "BUILT_IN"
    USER = "CLOUD_IAM_USER"
    SERVICE_ACCOUNT = "CLOUD_IAM_SERVICE_ACCOUNT"
    GROUP = "CLOUD_IAM_GROUP"
    GROUP_USER = "CLOUD_IAM_GROUP_USER"
    GROUP_SERVICE_ACCOUNT = "CLOUD_IAM_GROUP_SERVICE_ACCOUNT"
    GROUP_WORKFORCE_IDENTITY = "CLOUD_IAM_GROUP_WORKFORCE_IDENTITY"
    WORKFORCE_IDENTITY = "CLOUD_IAM_WORKFORCE_IDENTITY"
    ENTRA_USER = "ENTRAID_USER"
    UNKNOWN = "UNKNOWN"


GROUP_DERIVED = frozenset({UserType.GROUP_USER, UserType.GROUP_SERVICE_ACCOUNT, UserType.GROUP_WORKFORCE_IDENTITY})
"""Users that Cloud SQL makes at the first login of a group's member, and removes itself."""


@dataclass(frozen=True, slots=True)
class ResolvedPrincipal:
    """A principal by all its names. `email` is the subject for a workforce identity.

    `username` is what PostgreSQL keeps: of a service account with a longer name, the first 63 bytes.
    """

    member: str
    username: str
    user_type: UserType
    email: str


def resolve(principal: Principal, google_account: str = "", namespace: str = "") -> ResolvedPrincipal:
    """Names of a principal; `google_account` is the e-mail that a Kubernetes ServiceAccount acts as, "" without one.

    `namespace` is that of the ServiceAccount, for messages.

    Raises:
        NotYet: the Kubernetes ServiceAccount names no Google account.
        Refused: a person's or group's name is longer than PostgreSQL keeps, or it is no service account's e-mail.
    Source: Cloud SQL for PostgreSQL, "Manage users with IAM database authentication"; that service accounts are cut:
    alloydb-java-connector issue 455, terraform-provider-google issue 15520
    """
    match principal:
        case KubernetesServiceAccount(name):
            where = f"ServiceAccount {namespace}/{name}" if namespace else f"ServiceAccount {name}"
            return _service_account(_account_of(where, google_account), f"{where}, annotation {GOOGLE_ACCOUNT} ")
        case ServiceAccount(email):
            return _service_account(email, "spec.principal.serviceAccount ")
        case User(email):
            return _named(f"user:{email.lower()}", email.lower(), UserType.USER)
        case Group(email):
            return _named(f"group:{email.lower()}", email.lower(), UserType.GROUP)
        case WorkforceIdentity(member):
            return _workforce(member)
        case _:
            assert_never(principal)


def kept(name: str) -> str:
    """What PostgreSQL keeps of a name: whole characters in at most 63 bytes."""
    written = name.encode()
    return name if len(written) <= IDENTIFIER_BYTES else written[:IDENTIFIER_BYTES].decode(errors="ignore")


def whole_name(member: str) -> str:
    """Name of a service account as Cloud SQL is told it, which may be longer than PostgreSQL keeps; "" for others."""
    return member.removeprefix(_SERVICE_ACCOUNT).removesuffix(ACCOUNT_SUFFIX) if _is_account(member) else ""


def is_cut(member: str) -> bool:
    """Whether the member's database user has a cut name, by which alone nobody can tell whose it is."""
    whole = whole_name(member)
    return whole != kept(whole)


def _is_account(member: str) -> bool:
    return member.startswith(_SERVICE_ACCOUNT)


_EVERYBODYS = "default"
"""The ServiceAccount of pods that name none: what it acts as, they all act as."""


def _account_of(where: str, google_account: str) -> str:
    if google_account:
        return google_account
    if where.removeprefix("ServiceAccount ").rpartition("/")[2] == _EVERYBODYS:
        text = (
            f"{where} names no Google account, and every pod that names no ServiceAccount runs as it: make one of its "
            "own for the workload, name it in spec.principal and in the pod, and annotate that"
        )
        raise NotYet(Reason.SERVICE_ACCOUNT_NOT_ANNOTATED, text)
    raise NotYet(
        Reason.SERVICE_ACCOUNT_NOT_ANNOTATED,
        f"{where} names no Google account: annotate it with {GOOGLE_ACCOUNT}: NAME@PROJECT.iam{ACCOUNT_SUFFIX} "
        "(a principal of Workload Identity Federation alone can be no database user)",
    )


def _service_account(email: str, source: str) -> ResolvedPrincipal:
    problem = SERVICE_ACCOUNT.problem(email)
    if problem:
        text = f"{source}{problem}: {meant('serviceAccount', email) or 'give it in full'}"
        raise Refused(Reason.INVALID_SPEC, text)
    email = email.lower()
    member = f"{_SERVICE_ACCOUNT}{email}"
    return ResolvedPrincipal(member, kept(whole_name(member)), UserType.SERVICE_ACCOUNT, email)


def _named(member: str, email: str, user_type: UserType) -> ResolvedPrincipal:
    return _fitting(ResolvedPrincipal(member, email, user_type, email))


def _workforce(member: str) -> ResolvedPrincipal:
    if problem := WORKFORCE_IDENTITY.problem(member):
        remedy = meant("workforceIdentity", member)
        text = f"is {shown(member)}: {remedy}" if remedy else problem
        raise Refused(Reason.INVALID_SPEC, f"spec.principal.workforceIdentity {text}")
    subject = member.partition("/subject/")[2]
    return _fitting(ResolvedPrincipal(member, subject, UserType.WORKFORCE_IDENTITY, subject))


def _fitting(resolved: ResolvedPrincipal) -> ResolvedPrincipal:
    length = len(resolved.username.encode())
    if length <= IDENTIFIER_BYTES:
        return resolved
    nested = " or put it in a group with a shorter name and name that group"
    raise Refused(
        Reason.USERNAME_TOO_LONG,
        f"the database user {resolved.username} of {resolved.member} would be {length} bytes long; "
        f"PostgreSQL keeps {IDENTIFIER_BYTES}: use a principal with a shorter name,{nested}",
    )
