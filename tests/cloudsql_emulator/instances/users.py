"""Database users of an instance as the Admin API knows them: PostgreSQL says who exists, a record of which type."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from cloudsql_emulator.iam.directory import Directory
from cloudsql_emulator.iam.members import SERVICE_ACCOUNT_SUFFIX, address_of, database_name, kept, kind_of
from cloudsql_emulator.instances import user_refusals as refusals
from cloudsql_emulator.instances.catalog import Catalog, Role
from cloudsql_emulator.postgres import RoleHasDependents, RoleMissing, Server
from cloudsql_emulator.roles import IAM_ROLE_OF_USER_TYPE, is_system_role
from cloudsql_emulator.switches import Switches

BUILT_IN = "BUILT_IN"
GROUP = "CLOUD_IAM_GROUP"
SERVICE_ACCOUNT = "CLOUD_IAM_SERVICE_ACCOUNT"
WORKFORCE = "CLOUD_IAM_WORKFORCE_IDENTITY"
GROUP_TYPES = frozenset(
    {"CLOUD_IAM_GROUP_USER", "CLOUD_IAM_GROUP_SERVICE_ACCOUNT", "CLOUD_IAM_GROUP_WORKFORCE_IDENTITY"}
)
_TYPE_THROUGH_GROUP = {
    "user": "CLOUD_IAM_GROUP_USER",
    "serviceAccount": "CLOUD_IAM_GROUP_SERVICE_ACCOUNT",
    "principal": "CLOUD_IAM_GROUP_WORKFORCE_IDENTITY",
}
MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to make or to change, as it came; `roles` is databaseRoles."""

    name: str
    type: str = BUILT_IN
    password: str | None = None
    host: str = ""
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user that exists. `status` is for groups; `roles` are those it is a direct member of, but IAM system roles."""

    name: str
    type: str
    status: Literal["ACTIVE", "INACTIVE"] | None = None
    roles: tuple[str, ...] = ()


class Users:
    """What users.* does, without HTTP. Raises ApiError with Cloud SQL's words where it is refused."""

    def __init__(self, server: Server, directory: Directory, switches: Switches) -> None:
        self._server = server
        self._catalog = Catalog(server)
        self._directory = directory
        self._switches = switches
        self._types: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        self._group_uids: dict[str, str] = {}

    async def listed(self) -> tuple[KnownUser, ...]:
        """Every user, by name."""
        roles = await self._catalog.roles()
        self._types = {name: kind for name, kind in self._types.items() if name in roles}
        self._accounts = {name: email for name, email in self._accounts.items() if name in roles}
        return tuple(self._known(role) for role in roles.values() if self._is_user(role))

    async def find(self, name: str) -> KnownUser | None:
        """One user; None when there is none of that name."""
        return next((user for user in await self.listed() if user.name == name), None)

    async def insert(self, new: NewUser) -> None:
        """Make a user, or change one that exists: insert is an upsert.

        Source: firebase-tools, src/gcp/cloudsql/connect.ts
        """
        refusals.check_shape(new.name, new.type, has_password=new.password is not None, host=new.host)
        refusals.check_length(new.name, new.type, self._switches)
        refusals.check_principal(new.name, new.type, self._directory, self._switches)
        # GUESS: subjects of workforce pools keep their case
        name = new.name if new.type in {BUILT_IN, WORKFORCE} else kept(new.name.lower())
        await self._check_present(name, new.type)
        await self._check_roles("create", name, new.roles)
        try:
            if new.type == BUILT_IN:
                await self._server.create_builtin_user(name, new.password, new.roles)
            else:
                await self._server.create_iam_user(name, new.type)
                await self._server.grant_roles(name, new.roles)
        except RoleMissing as missing:
            raise refusals.role_missing("create", name, missing.role) from missing
        self._remember(name, new)

    async def update(self, name: str, new: NewUser, *, revoke_others: bool) -> None:
        """Change a password and add roles; without the user, make it.

        `revoke_others` takes the user out of all other roles, also of those that SQL put it into.
        Source: Cloud SQL Admin API v1, users.update ("body.database_roles is ignored")
        """
        present = await self.find(name)
        if present is None:
            await self.insert(NewUser(name, new.type, new.password, new.host, new.roles))
            return
        refusals.check_shape(name, present.type, has_password=new.password is not None, host=new.host)
        await self._check_roles("update", name, new.roles)
        if new.password is not None:
            await self._server.set_password(name, new.password)
        await self._server.grant_roles(name, new.roles)
        if revoke_others:
            await self._server.revoke_roles_except(name, new.roles)

    async def delete(self, name: str) -> None:
        """Drop a user, who must own nothing and hold no privilege in any database."""
        present = await self.find(name)
        if present is None:
            if self._switches.absent_user == "done":
                return
            raise refusals.absent(name, self._switches)
        if present.type in GROUP_TYPES:
            raise refusals.group_derived_cannot_be_deleted(name)
        try:
            await self._server.drop_user(name)
        except RoleHasDependents as dependents:
            raise refusals.has_dependents(name, dependents.details) from dependents
        if present.type == GROUP:
            await self._drop_members_without_a_group()

    def username_of(self, member: str) -> str:
        """The name that a member logs in by; "" for an account whose cut name is another's."""
        name = database_name(member)
        whole = address_of(member).lower()
        shared = self._switches.cut_names == "shared" or kind_of(member) != "serviceAccount"
        return name if shared or self._accounts.get(name, whole) == whole else ""

    async def join_through_group(self, member: str) -> None:
        """Make the user of somebody whose group is an active user; do nothing for anyone else."""
        groups = self._directory.groups_of(member)
        through = [user.name for user in await self.listed() if user.type == GROUP and f"group:{user.name}" in groups]
        through = [name for name in through if self._group_status(name) == "ACTIVE"]
        name = database_name(member)
        if not through or await self._server.role_exists(name):
            return
        kind = _TYPE_THROUGH_GROUP[kind_of(member)]
        await self._server.create_iam_user(name, kind)
        await self._server.grant_roles(name, through)
        self._types[name] = kind

    def _remember(self, name: str, new: NewUser) -> None:
        self._types[name] = new.type
        if new.type == SERVICE_ACCOUNT:
            self._accounts.setdefault(name, f"{new.name.lower()}{SERVICE_ACCOUNT_SUFFIX}")
        account = self._directory.find(name)
        if new.type == GROUP and account is not None:
            self._group_uids.setdefault(name, account.uid)

    async def _check_present(self, name: str, kind: str) -> None:
        listed = await self.listed()
        present = next((user for user in listed if user.name == name), None)
        if present is not None and present.type != kind:
            refusals.check_other_type(name, present.type, self._switches)
        if kind == GROUP and present is None:
            refusals.check_group_count(sum(user.type == GROUP for user in listed), MOST_GROUPS)
            self._group_uids.pop(name, None)

    async def _check_roles(self, verb: str, name: str, roles: Collection[str]) -> None:
        for role in roles:
            if is_system_role(role) and role != "cloudsqlsuperuser":
                raise refusals.role_not_grantable(verb, name, role)
            if not await self._server.role_exists(role):
                raise refusals.role_missing(verb, name, role)

    async def _drop_members_without_a_group(self) -> None:
        for user in await self.listed():
            if user.type in GROUP_TYPES and not user.roles:
                # who owns objects stays, to be reassigned by hand
                with contextlib.suppress(RoleHasDependents):
                    await self._server.drop_user(user.name)

    def _is_user(self, role: Role) -> bool:
        if is_system_role(role.name):
            return False
        if role.name in self._types or role.system_roles:
            return True
        return role.can_login and (self._switches.list_sql_roles or role.name == "postgres")

    def _known(self, role: Role) -> KnownUser:
        types = [kind for kind, system_role in IAM_ROLE_OF_USER_TYPE.items() if system_role in role.system_roles]
        kind = self._types.get(role.name) or (types[0] if types else BUILT_IN)
        status = self._group_status(role.name) if kind == GROUP else None
        return KnownUser(role.name, kind, status, role.others)

    def _group_status(self, name: str) -> Literal["ACTIVE", "INACTIVE"]:
        account = self._directory.find(name)
        uid = self._group_uids.get(name)
        return "ACTIVE" if account is not None and uid in {None, account.uid} else "INACTIVE"
