"""Database roles of a user: which way each is given, as entries and ledgers of the database lane."""

from collections.abc import Iterable, Set

from cloudsql_iam_operator.core.access.provider_roles import SUPERUSER
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.entries import Entries, RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import (
    Ledger,
    granted,
    membership,
    of_the_memberships,
)
from cloudsql_iam_operator.core.reasons import Reason

BY_THE_API = frozenset({SUPERUSER})
"""Roles that Cloud SQL gives through the Admin API alone.

Source: Cloud SQL for PostgreSQL, "About PostgreSQL users and roles"; terraform-provider-postgresql issue 164
"""


def entries_for(username: str, roles: Iterable[str]) -> Entries:
    """Memberships of one user; how it inherits is left to the server."""
    return Entries(memberships=tuple(RoleEntry(role, (username,)) for role in sorted(roles)))


def ledger_for(username: str, roles: Iterable[str]) -> Ledger:
    """What is recorded when these roles were given to the user."""
    return frozenset(membership(username, role) for role in roles)


def roles_in(ledger: Ledger) -> frozenset[str]:
    """The roles that a ledger of memberships is about."""
    return frozenset(role for entry in of_the_memberships(granted(ledger)) for role in entry.names)


def rest_for_the_api(username: str, held: Set[str], taken: frozenset[str]) -> tuple[str, ...]:
    """All that a user keeps when the API takes `taken` from it, which it only can by being told all the others.

    The markers of IAM users are Cloud SQL's own matter and are not told.

    Raises:
        Refused: the user holds something that the API cannot be told, and would lose that too.
    """
    left = {role for role in held - taken if not role.startswith("cloudsqliam")}
    untold = sorted(role for role in left if role not in BY_THE_API and role.startswith(("pg_", "cloudsql")))
    if untold:
        text = f"{', '.join(sorted(taken))} can be taken from {username} by the Admin API only together with"
        remedy = "revoke it by SQL as a member of the role, or take the others from the user first"
        raise Refused(Reason.REVOKE_BLOCKED, f"{text} {', '.join(untold)}, which was not given here: {remedy}")
    return tuple(sorted(left))
