"""Database users of the Cloud SQL Admin API: users.get, .list, .insert, .update and .delete."""

import hashlib

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.sql.operations import operation_json
from cloudsql_emulator.api.sql.places import primary_of, running_instance_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.instances import user_refusals
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.operations import Effect, Operation, OperationType
from cloudsql_emulator.instances.users import BUILT_IN, KnownUser, NewUser


class SqlUsers:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            "sql.users.list": self.list_users,
            "sql.users.get": self.get,
            "sql.users.insert": self.insert,
            "sql.users.update": self.update,
            "sql.users.delete": self.delete,
        }

    async def list_users(self, call: Call) -> Json:
        """All users, unpaged."""
        instance = running_instance_of(call, self._cloud)
        items = [self._user_json(instance, user) for user in await instance.users.listed()]
        return {"kind": "sql#usersList", "items": items}

    async def get(self, call: Call) -> Json:
        """One user."""
        instance = running_instance_of(call, self._cloud)
        found = await instance.users.find(call.path["name"])
        if found is None:
            raise user_refusals.absent(call.path["name"], self._cloud.switches)
        return self._user_json(instance, found)

    async def insert(self, call: Call) -> Json:
        """Make a user or change it."""
        instance = primary_of(call, self._cloud)
        new = _new_user(call.body.get("name", ""), call.body, tuple(call.body.get("databaseRoles", ())))
        return await self._operate(call, instance, "CREATE_USER", lambda: instance.users.insert(new))

    async def update(self, call: Call) -> Json:
        """Change a user, who is named in the query, as the roles are; roles in the body are ignored."""
        instance = primary_of(call, self._cloud)
        name = call.queried("name") or call.body.get("name", "")
        new = _new_user(name, call.body, tuple(call.query.get("databaseRoles", ())))
        revoke = call.queried("revokeExistingRoles") == "true"
        return await self._operate(
            call, instance, "UPDATE_USER", lambda: instance.users.update(name, new, revoke_others=revoke)
        )

    async def delete(self, call: Call) -> Json:
        """Drop a user, who is named in the query."""
        instance = primary_of(call, self._cloud)
        name = call.queried("name")
        return await self._operate(call, instance, "DELETE_USER", lambda: instance.users.delete(name))

    async def _operate(self, call: Call, instance: Instance, kind: OperationType, effect: Effect) -> Json:
        operation = Operation(instance.project, instance.name, kind, call.caller, self._cloud.clock.now())
        return operation_json(await self._cloud.operations.run(operation, effect), call.method)

    def _user_json(self, instance: Instance, user: KnownUser) -> Json:
        told: Json = {
            "kind": "sql#user",
            "etag": hashlib.sha256(repr(user).encode()).hexdigest(),
            "name": user.name,
            "host": "",
            "instance": instance.name,
            "project": instance.project,
        }
        if user.type != BUILT_IN:
            told["type"] = user.type
        if user.status is not None:
            told["iamStatus"] = user.status
        if self._cloud.switches.echo_database_roles:
            told["databaseRoles"] = list(user.roles)
        return told


def _new_user(name: str, body: Json, roles: tuple[str, ...]) -> NewUser:
    # GUESS: without a type it is a built-in user; in 2021 the type was taken from the name.
    return NewUser(name, body.get("type", BUILT_IN), body.get("password"), body.get("host", ""), roles)
