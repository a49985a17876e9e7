"""Which roles a role is a member of, as pg_auth_members has it."""

from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.owning.reading import rows
from cloudsql_iam_operator.adapters.postgres.queries import query


def roles_of(access: Access, database: str, role: str) -> dict[str, bool]:
    """Roles that the role is a direct member of, and whether the Admin API made it so; {} when there is no such role.

    Raises:
        NotYet: the database cannot be reached.
    """
    return dict(rows(access, database, query("roles_of"), {"role": role}))
