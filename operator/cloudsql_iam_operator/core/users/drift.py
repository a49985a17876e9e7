"""What differs between a user as declared and as it is, each difference in one sentence."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from cloudsql_iam_operator.core.users.plan import DatabaseUser, Ground, UserWant, plan_users
from cloudsql_iam_operator.core.visibility import visible

LISTED = 50
"""How many differences a status names."""

LONGEST = 300
"""Characters of one."""


class Kind(Enum):
    """What a difference is of; the value is the metric's label."""

    BINDING = "Binding"
    USER = "User"
    ROLE = "Role"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as declared."""

    kind: Kind
    text: str


def in_users(want: UserWant, observed: Sequence[DatabaseUser]) -> tuple[Difference, ...]:
    """What would be changed about the database user, or why it would be refused."""
    planned = plan_users({"": want}, Ground(observed))
    if planned.refusals:
        return (Difference(Kind.USER, planned.refusals[""].message),)
    if planned.changes:
        text = f"database user {want.claim.username} does not exist: it would be created as {want.type}"
        return (Difference(Kind.USER, text),)
    return ()


def in_roles(
    username: str, wanted: frozenset[str], recorded: frozenset[str], held: frozenset[str]
) -> tuple[Difference, ...]:
    """Database roles that the user lacks, and those that were given here and are declared no more."""
    missing = [f"{username} is not a member of {role}" for role in sorted(wanted - held)]
    beyond = [
        f"{username} is a member of {role}, which is declared no more" for role in sorted((recorded - wanted) & held)
    ]
    return tuple(Difference(Kind.ROLE, text) for text in (*missing, *beyond))


def told(found: Iterable[Difference]) -> tuple[str, ...]:
    """The differences as a status has them."""
    every = [visible(difference.text)[:LONGEST] for difference in found]
    more = [f"and {len(every) - LISTED} more"] if len(every) > LISTED else []
    return (*every[:LISTED], *more)
