"""What PostgreSQL says about roles, asked as the API itself asks; what they mean to the API is in `users`."""

from dataclasses import dataclass

from cloudsql_emulator.postgres import Server
from cloudsql_emulator.roles import IAM_SYSTEM_ROLES

_ROLES = """
SELECT member.rolname, member.rolcanlogin, array_remove(array_agg(role.rolname::text ORDER BY role.rolname), NULL)
FROM pg_roles member
LEFT JOIN pg_auth_members membership ON membership.member = member.oid
LEFT JOIN pg_roles role ON role.oid = membership.roleid
GROUP BY member.rolname, member.rolcanlogin
ORDER BY member.rolname
"""


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what it is a direct member of: IAM system roles and others, both sorted."""

    name: str
    can_login: bool
    system_roles: tuple[str, ...]
    others: tuple[str, ...]


class Catalog:
    """Roles of one PostgreSQL."""

    def __init__(self, server: Server) -> None:
        self._server = server

    async def roles(self) -> dict[str, Role]:
        """Every role, by name."""
        async with self._server.own.session() as connection:
            rows = await (await connection.execute(_ROLES)).fetchall()
        return {name: _role(name, can_login, memberships) for name, can_login, memberships in rows}


def _role(name: str, can_login: bool, memberships: list[str]) -> Role:
    distinct = dict.fromkeys(memberships)
    return Role(
        name,
        can_login,
        tuple(role for role in distinct if role in IAM_SYSTEM_ROLES),
        tuple(role for role in distinct if role not in IAM_SYSTEM_ROLES),
    )
