"""What stands in the way of dropping a role: what it owns and what it may, in each database."""

from dataclasses import dataclass

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.encoding import legible
from cloudsql_iam_operator.adapters.postgres.owning.reading import rows
from cloudsql_iam_operator.adapters.postgres.queries import query
from cloudsql_iam_operator.core.errors import NotYet


@dataclass(frozen=True, slots=True)
class Dependents:
    """So many things in a database depend on a role; `named` are some of them, `why` why the others are not named.

    "" is the database of what all share.
    """

    database: str
    count: int
    named: tuple[str, ...] = ()
    why: str = ""


def places_of(access: Access, database: str, role: str) -> tuple[Dependents, ...]:
    """How much depends on the role, by database. Asked in one of them.

    Raises:
        NotYet: that database cannot be reached.
    """
    return tuple(Dependents(name, count) for name, count in rows(access, database, query("dependents"), {"role": role}))


def named(access: Access, database: str, place: Dependents, role: str, most: int) -> Dependents:
    """The same place with the names of at most so many things; it may be closed to the operator, and then says so.

    Asked in that database, or in any one about what all share.
    """
    asked = {"role": role, "database": place.database, "limit": most}
    try:
        found = rows(access, database, query("dependents_here"), asked)
    except NotYet as failure:
        return Dependents(place.database, place.count, why=failure.message)
    words = tuple(legible(f"{what or 'an object'} ({'owned' if owned else 'privileges'})") for what, owned in found)
    return Dependents(place.database, place.count, words)
