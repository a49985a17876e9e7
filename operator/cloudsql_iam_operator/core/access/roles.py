"""Which database roles a rule covers: ordinary ones by glob, what reaches further by its full name alone."""

from functools import lru_cache

from cloudsql_iam_operator.api.instance import AccessRule, CloudSQLInstance
from cloudsql_iam_operator.core.access.provider_roles import PROVIDER_ROLES
from cloudsql_iam_operator.core.globs import matches


def working_roles(instance: CloudSQLInstance) -> frozenset[str]:
    """Roles that the operator works as on an instance: that of setRole, and the owners."""
    database = instance.admin.database
    return frozenset({database.set_role, *database.owner_roles} - {""})


def covers_role(rule: AccessRule, role: str, reserved: frozenset[str]) -> bool:
    """Whether a rule covers a role to be made a member of, or to be granted to.

    PostgreSQL's and the provider's own roles, IAM logins (whose names are addresses) and `reserved` ones are reached by
    no glob, nor by what another rule lists.
    """
    if role in rule.database_roles:
        return True
    ordinary = not role.startswith("pg_") and "@" not in role and role not in reserved | PROVIDER_ROLES
    return ordinary and any(matches(pattern, role) for pattern in rule.database_roles)


def covers_owner(rule: AccessRule, role: str) -> bool:
    """Whether a rule covers an owner whose future objects are to be granted on: by its full name alone."""
    return role in rule.database_roles


def listed_roles(rule: AccessRule) -> frozenset[str]:
    """Roles that a rule names in full."""
    return _in_full(rule.database_roles)


@lru_cache(maxsize=1024)
def _in_full(roles: tuple[str, ...]) -> frozenset[str]:
    """Those that are no globs; the same set for all that the rule lets in."""
    return frozenset(name for name in roles if not {"*", "?"} & set(name))
