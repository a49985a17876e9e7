"""Who may have what on an instance: the allow rules, evaluated. Empty means nobody."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from cloudsql_iam_operator.api.instance import AccessRule, AccountProof, PrincipalMatch
from cloudsql_iam_operator.api.parsing.times import duration_text, instant_text
from cloudsql_iam_operator.api.user import (
    AdoptionPolicy,
    Group,
    KubernetesServiceAccount,
    Principal,
    ServiceAccount,
    User,
    WorkforceIdentity,
)
from cloudsql_iam_operator.core.access.powers import Power, not_given
from cloudsql_iam_operator.core.access.provider_roles import PROVIDER_ROLES, SUPERUSER
from cloudsql_iam_operator.core.access.roles import covers_owner, covers_role
from cloudsql_iam_operator.core.access.tenants import Tenant, admits
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.globs import matches
from cloudsql_iam_operator.core.reasons import Reason

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Until when something is asked for (None: for good), what time it is, and since when it is admitted.

    A rule's `maxExpiry` counts from `since`, so that no edit moves the end on; None, and it counts from now.
    """

    expires_at: datetime | None
    now: datetime
    since: datetime | None = None

    @property
    def began(self) -> datetime:
        """When the time that a rule bounds began."""
        return self.since or self.now


@dataclass(frozen=True, slots=True)
class UserRequest:
    """What a CloudSQLIAMUser asks of an instance.

    `email` is the resolved one; `proof` is what a Kubernetes ServiceAccount was seen to show. `operator` is the
    operator's own database user, "" when not known; `reserved` are roles that it works as (see `working_roles`).
    """

    tenant: Tenant
    principal: Principal
    email: str
    proof: AccountProof
    database_roles: tuple[str, ...]
    adoption: AdoptionPolicy
    lifetime: Lifetime
    operator: str = ""
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What a DatabaseGrant asks of an instance. `roles` are memberships and plain grantee roles together.

    `owners` are the roles whose future objects it is about; none when that is left to the operator.
    """

    tenant: Tenant
    database: str
    schemas: tuple[str, ...]
    privileges: tuple[str, ...]
    roles: tuple[str, ...]
    lifetime: Lifetime
    operator: str = ""
    powers: frozenset[Power] = frozenset()
    owners: tuple[str, ...] = ()
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The rule that allows a request, and whether one that does also allows taking over what exists, and leaving it."""

    rule: str
    may_adopt: bool
    may_retain: bool = False


@dataclass(frozen=True, slots=True)
class _Denial:
    depth: int
    reason: Reason
    message: str


_Check = Callable[[AccessRule, R], tuple[Reason, str] | None]


def allow_user(rules: Sequence[AccessRule], request: UserRequest) -> Allowed:
    """The rule by which a user is allowed.

    Raises:
        Refused: no single rule allows all of it; the message names what the closest rule leaves out.
    """
    _deny_roles([role for role in request.database_roles if role != SUPERUSER], rules, request.operator)
    allowed = _first(rules, request, _USER_CHECKS)
    if request.adoption is AdoptionPolicy.REQUIRED and not allowed.may_adopt:
        raise Refused(
            Reason.EXTERNAL_RESOURCE_EXISTS,
            f"adoptionPolicy is Required, but access rule {allowed.rule!r} has no allowAdoption: "
            "ask the platform team to set it, or let the operator create the user",
        )
    return allowed


def allow_grant(rules: Sequence[AccessRule], request: GrantRequest) -> Allowed:
    """The rule by which a grant is allowed.

    Raises:
        Refused: no single rule allows all of it; the message names what the closest rule leaves out.
    """
    _deny_roles(request.roles, rules, request.operator)
    for schema in request.schemas:
        if schema.startswith("pg_") or schema == "information_schema":
            raise Refused(Reason.SCHEMA_NOT_ALLOWED, f"schema {schema!r} is PostgreSQL's own; nothing is granted in it")
    return _first(rules, request, _GRANT_CHECKS)


def require_namespace(rules: Sequence[AccessRule], tenant: Tenant) -> None:
    """Return when some rule is for this namespace, whatever it allows there.

    Raises:
        Refused: none is.
    """
    if not any(admits(rule.namespaces, tenant) for rule in rules):
        raise Refused(Reason.NAMESPACE_NOT_ALLOWED, f"no access rule of the instance names namespace {tenant.name}")


def admits_grant(rule: AccessRule, request: GrantRequest) -> bool:
    """Whether this one rule allows all of a request."""
    return _denial(rule, request, _GRANT_CHECKS) is None


def _first(rules: Sequence[AccessRule], request: R, checks: Sequence[_Check[R]]) -> Allowed:
    denials: list[_Denial] = []
    allowing: list[AccessRule] = []
    for rule in rules:
        denial = _denial(rule, request, checks)
        if denial is None:
            allowing.append(rule)
        else:
            denials.append(denial)
    if allowing:
        may_adopt = any(rule.allow_adoption for rule in allowing)
        return Allowed(allowing[0].name, may_adopt, any(rule.allow_retain for rule in allowing))
    if not denials:
        raise Refused(Reason.NAMESPACE_NOT_ALLOWED, "the instance has no access rule, so nobody is allowed")
    closest = max(denials, key=lambda denial: denial.depth)
    raise Refused(closest.reason, closest.message)


def _denial(rule: AccessRule, request: R, checks: Sequence[_Check[R]]) -> _Denial | None:
    for depth, check in enumerate(checks):
        found = check(rule, request)
        if found is not None:
            return _Denial(depth, *found)
    return None


def _namespace(rule: AccessRule, request: UserRequest | GrantRequest) -> tuple[Reason, str] | None:
    if admits(rule.namespaces, request.tenant):
        return None
    return Reason.NAMESPACE_NOT_ALLOWED, f"no access rule of the instance names namespace {request.tenant.name}"


def _principal(rule: AccessRule, request: UserRequest) -> tuple[Reason, str] | None:
    if _lets_in(rule.principals, request):
        return None
    principal, who = request.principal, request.email
    if isinstance(principal, KubernetesServiceAccount):
        who = f"ServiceAccount {principal.name} acting as {who}"
        if request.proof is not AccountProof.VERIFIED:
            unproven = "which is not proven by roles/iam.workloadIdentityUser on that account"
            return Reason.PRINCIPAL_NOT_ALLOWED, f"access rule {rule.name!r} does not allow {who}, {unproven}"
    return Reason.PRINCIPAL_NOT_ALLOWED, _told(rule, who, "principals")


def _lets_in(match: PrincipalMatch, request: UserRequest) -> bool:
    principal, email = request.principal, request.email.lower()
    match principal:
        case KubernetesServiceAccount():
            return _proven(match.kubernetes_service_accounts, request.proof) or _any(match.service_accounts, email)
        case ServiceAccount():
            return _any(match.service_accounts, email)
        case User():
            return _any(match.users, email)
        case Group():
            return _any(match.groups, email)
        case WorkforceIdentity(member):
            return any(matches(pattern, member) for pattern in match.workforce_identities)
        case _:
            assert_never(principal)


def _proven(needed: AccountProof, shown: AccountProof) -> bool:
    if needed is AccountProof.VERIFIED:
        return shown is AccountProof.VERIFIED
    return needed is AccountProof.ANNOTATED and shown is not AccountProof.NONE


def _told(rule: AccessRule, what: str, field: str) -> str:
    remedy = f"ask for it in spec.access[{rule.name!r}].{field} of the CloudSQLInstance, or leave it out"
    return f"access rule {rule.name!r} does not allow {what}: {remedy}"


def _roles(rule: AccessRule, request: UserRequest | GrantRequest) -> tuple[Reason, str] | None:
    asked = request.database_roles if isinstance(request, UserRequest) else request.roles
    missing = [name for name in asked if not covers_role(rule, name, request.reserved)]
    return _missing(rule, missing, (Reason.ROLE_NOT_ALLOWED, "database role", "databaseRoles"))


def _owners(rule: AccessRule, request: GrantRequest) -> tuple[Reason, str] | None:
    missing = [name for name in request.owners if not covers_owner(rule, name)]
    return _missing(rule, missing, (Reason.ROLE_NOT_ALLOWED, "owner", "databaseRoles, by its full name"))


def _database(rule: AccessRule, request: GrantRequest) -> tuple[Reason, str] | None:
    return _uncovered(rule, (request.database,), rule.databases, (Reason.DATABASE_NOT_ALLOWED, "database", "databases"))


def _schemas(rule: AccessRule, request: GrantRequest) -> tuple[Reason, str] | None:
    return _uncovered(rule, request.schemas, rule.schemas, (Reason.SCHEMA_NOT_ALLOWED, "schema", "schemas"))


def _privileges(rule: AccessRule, request: GrantRequest) -> tuple[Reason, str] | None:
    allowed = {privilege.upper() for privilege in rule.privileges}
    if not (missing := sorted({privilege.upper() for privilege in request.privileges} - allowed)):
        return None
    return Reason.PRIVILEGE_NOT_ALLOWED, _told(rule, ", ".join(missing), "privileges")


def _powers(rule: AccessRule, request: GrantRequest) -> tuple[Reason, str] | None:
    if not (missing := not_given(rule, request.powers)):
        return None
    return Reason.PRIVILEGE_NOT_ALLOWED, f"access rule {rule.name!r} has no {'; '.join(p.value for p in missing)}"


def _uncovered(
    rule: AccessRule, asked: Iterable[str], patterns: tuple[str, ...], kind: tuple[Reason, str, str]
) -> tuple[Reason, str] | None:
    return _missing(rule, [name for name in asked if not any(matches(pattern, name) for pattern in patterns)], kind)


def _missing(rule: AccessRule, missing: Sequence[str], kind: tuple[Reason, str, str]) -> tuple[Reason, str] | None:
    reason, noun, field = kind
    return (reason, _told(rule, f"{noun} {', '.join(sorted(missing))}", field)) if missing else None


def _expiry(rule: AccessRule, request: UserRequest | GrantRequest) -> tuple[Reason, str] | None:
    if rule.max_expiry is None:
        return None
    longest = timedelta(seconds=rule.max_expiry)
    lifetime = request.lifetime
    if lifetime.expires_at is not None and lifetime.expires_at <= lifetime.began + longest:
        return None
    what = "no expiresAt" if lifetime.expires_at is None else "a later expiresAt"
    since = f" from {instant_text(lifetime.since)}, when it was first admitted" if lifetime.since else ""
    text = f"access rule {rule.name!r} allows {duration_text(rule.max_expiry)} at most{since}; {what} is given"
    return Reason.EXPIRY_NOT_ALLOWED, f"{text}: give an earlier one" + (", or make another object" if since else "")


_USER_CHECKS: tuple[_Check[UserRequest], ...] = (_namespace, _principal, _roles, _expiry)
_GRANT_CHECKS: tuple[_Check[GrantRequest], ...] = (
    *(_namespace, _database, _roles, _owners),
    *(_schemas, _privileges, _powers, _expiry),
)


def _deny_roles(roles: Iterable[str], rules: Sequence[AccessRule], operator: str) -> None:
    listed = {name for rule in rules for name in rule.database_roles}
    for role in roles:
        plain = role.lower()
        if plain in PROVIDER_ROLES or plain in {"postgres", "public", operator.lower()}:
            raise Refused(Reason.ROLE_NOT_ALLOWED, f"database role {role!r} is never given, whatever the rules say")
        if plain.startswith("pg_") and role not in listed:
            raise Refused(Reason.ROLE_NOT_ALLOWED, f"database role {role!r} must be listed by its full name in a rule")


def _any(patterns: Iterable[str], email: str) -> bool:
    return any(matches(pattern.lower(), email) for pattern in patterns)
