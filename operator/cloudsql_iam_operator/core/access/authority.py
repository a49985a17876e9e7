"""Whether what is recorded is still due: asked of the record and the rules alone, before anything a tenant controls.

What a spec says, whether it can be read, is suspended or names something that does not exist, is not known here.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from cloudsql_iam_operator.api.instance import AccessRule, AccountProof, CloudSQLInstance
from cloudsql_iam_operator.api.user import (
    AdoptionPolicy,
    Group,
    KubernetesServiceAccount,
    Principal,
    ServiceAccount,
    User,
    WorkforceIdentity,
)
from cloudsql_iam_operator.core.access.provider_roles import PROVIDER_ROLES
from cloudsql_iam_operator.core.access.requests import recorded_request
from cloudsql_iam_operator.core.access.roles import covers_owner, covers_role
from cloudsql_iam_operator.core.access.rules import (
    Allowed,
    Lifetime,
    UserRequest,
    admits_grant,
    allow_grant,
    allow_user,
)
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import Proof, Refused, Withdrawn
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry, Ledger, of_the_future, of_the_memberships
from cloudsql_iam_operator.core.grants.desired.record import GrantRecord
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.core.users.record import UserRecord


def due_user(record: UserRecord, rules: Sequence[AccessRule], tenant: Tenant, now: datetime) -> Allowed:
    """The rule that still admits what is recorded of a user, its account being proven; see `rests_on_proof`.

    An end that has come is no matter here: it ends the logins, and the user stays.

    Raises:
        Withdrawn: none does.
    """
    return _admitted(record, rules, tenant, now, AccountProof.VERIFIED)


def roles_no_longer_due(
    record: UserRecord, rules: Sequence[AccessRule], tenant: Tenant, now: datetime, reserved: frozenset[str]
) -> frozenset[str]:
    """The recorded database roles of a user that is due which no rule admits together: two rules do not add up."""
    if not record.roles:
        return record.roles
    admitted = [_roles_by(rule, record, tenant, now, reserved) for rule in rules]
    return record.roles - max(admitted, key=len, default=frozenset())


def _roles_by(
    rule: AccessRule, record: UserRecord, tenant: Tenant, now: datetime, reserved: frozenset[str]
) -> frozenset[str]:
    if not _admits(rule, record, tenant, now):
        return frozenset()
    return frozenset(role for role in record.roles if covers_role(rule, role, reserved))


def admitting(record: UserRecord, rules: Sequence[AccessRule], tenant: Tenant, now: datetime) -> tuple[AccessRule, ...]:
    """The rules that admit a recorded user, its database roles aside and its account being proven."""
    return tuple(rule for rule in rules if _admits(rule, record, tenant, now))


def require_heir(heir: str, rules: Iterable[AccessRule]) -> None:
    """Return when one of the rules, which admit a user, names in full the role that is to have what it owns.

    Code of the user that runs with its owner's rights then runs with that role's.

    Raises:
        Refused: none does, or it is a role that nobody is given.
    """
    if heir.lower() in PROVIDER_ROLES | {"postgres"} or heir.startswith("pg_"):
        raise Refused(Reason.ROLE_NOT_ALLOWED, f"role {heir!r} is given no objects of users: name another")
    if not any(covers_owner(rule, heir) for rule in rules):
        text = f"no access rule names role {heir!r} in full, which is to have what the user owns"
        raise Refused(Reason.ROLE_NOT_ALLOWED, f"{text}: ask for it in databaseRoles, or name another")


def rests_on_proof(record: UserRecord, rules: Sequence[AccessRule], tenant: Tenant, now: datetime) -> bool:
    """Whether a recorded user that is due is so only as long as its account lets the workload act as it."""
    if not record.account:
        return False
    try:
        _admitted(record, rules, tenant, now, AccountProof.ANNOTATED)
    except Withdrawn:
        return True
    return False


def due_grant(record: GrantRecord, instance: CloudSQLInstance, tenant: Tenant, now: datetime) -> Allowed:
    """The rule that still admits all that is recorded of a grant.

    Raises:
        Withdrawn: none does, or the end has come.
    """
    record.admission.require_unended(now)
    try:
        return allow_grant(instance.access, recorded_request(record, record.ledger, instance, tenant, now))
    except Refused as refused:
        raise _withdrawn(refused, tenant) from refused


def no_longer_due(record: GrantRecord, instance: CloudSQLInstance, name: str, tenant: Tenant, now: datetime) -> Ledger:
    """The recorded entries that one rule, by its name, does not admit."""
    rule = next(one for one in instance.access if one.name == name)

    def admitted(entry: AppliedEntry) -> bool:
        return admits_grant(rule, recorded_request(record, frozenset({entry}), instance, tenant, now))

    return frozenset(_part_out(entry, admitted) for entry in record.ledger if not admitted(entry))


def _part_out(entry: AppliedEntry, admitted: Callable[[AppliedEntry], bool]) -> AppliedEntry:
    """The part that is not admitted of an entry that is not as a whole: some of its roles, else some of its names."""
    roles = tuple(role for role in entry.roles if not admitted(replace(entry, roles=(role,))))
    if len(roles) < len(entry.roles):
        return replace(entry, roles=roles)
    if not of_the_memberships(frozenset({entry})) and not of_the_future(frozenset({entry})):
        return entry
    return replace(entry, names=tuple(name for name in entry.names if not admitted(replace(entry, names=(name,)))))


def _admits(rule: AccessRule, record: UserRecord, tenant: Tenant, now: datetime) -> bool:
    try:
        _admitted(record, (rule,), tenant, now, AccountProof.VERIFIED)
    except Withdrawn:
        return False
    return True


def _admitted(
    record: UserRecord, rules: Sequence[AccessRule], tenant: Tenant, now: datetime, proof: AccountProof
) -> Allowed:
    request = UserRequest(
        tenant=tenant,
        principal=_principal(record),
        email=record.email,
        proof=proof,
        database_roles=(),
        adoption=AdoptionPolicy.NEVER,
        lifetime=Lifetime(record.admission.until, now, record.admission.since),
    )
    try:
        return allow_user(rules, request)
    except Refused as refused:
        raise _withdrawn(refused, tenant) from refused


def _withdrawn(refused: Refused, tenant: Tenant) -> Withdrawn:
    if not tenant.exists:
        return Withdrawn(Reason.NAMESPACE_NOT_ALLOWED, f"namespace {tenant.name} is gone", Proof.NAMESPACE)
    return Withdrawn(refused.reason, refused.message, Proof.RULE)


def _principal(record: UserRecord) -> Principal:
    match UserType(record.user_type):
        case UserType.GROUP:
            return Group(record.email)
        case UserType.USER:
            return User(record.email)
        case UserType.WORKFORCE_IDENTITY:
            return WorkforceIdentity(record.member)
        case _:
            return KubernetesServiceAccount(record.account) if record.account else ServiceAccount(record.email)
