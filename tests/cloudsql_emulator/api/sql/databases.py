"""Databases of the Cloud SQL Admin API: databases.get, .list, .insert and .delete."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError
from cloudsql_emulator.api.sql.operations import operation_json
from cloudsql_emulator.api.sql.places import primary_of, running_instance_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.instances.databases import Databases, KnownDatabase
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.operations import Effect, Operation, OperationType


class SqlDatabases:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            "sql.databases.list": self.list_databases,
            "sql.databases.get": self.get,
            "sql.databases.insert": self.insert,
            "sql.databases.delete": self.delete,
        }

    async def list_databases(self, call: Call) -> Json:
        """All but the templates and Google's own."""
        instance = running_instance_of(call, self._cloud)
        items = [_json(instance, each) for each in await Databases(instance.server).listed()]
        return {"kind": "sql#databasesList", "items": items}

    async def get(self, call: Call) -> Json:
        """One database."""
        instance = running_instance_of(call, self._cloud)
        named = [each for each in await Databases(instance.server).listed() if each.name == call.path["database"]]
        if not named:
            # GUESS: the words; TF takes 404 for gone
            raise ApiError(404, "databaseDoesNotExist", f"The database {call.path['database']} does not exist.")
        return _json(instance, named[0])

    async def insert(self, call: Call) -> Json:
        """Make a database, owned by cloudsqlsuperuser."""
        instance = primary_of(call, self._cloud)
        name = str(call.body.get("name", ""))
        return await self._operate(call, instance, "CREATE_DATABASE", lambda: Databases(instance.server).create(name))

    async def delete(self, call: Call) -> Json:
        """Drop a database."""
        instance = primary_of(call, self._cloud)
        name = call.path["database"]
        return await self._operate(call, instance, "DELETE_DATABASE", lambda: Databases(instance.server).drop(name))

    async def _operate(self, call: Call, instance: Instance, kind: OperationType, effect: Effect) -> Json:
        operation = Operation(instance.project, instance.name, kind, call.caller, self._cloud.clock.now())
        return operation_json(await self._cloud.operations.run(operation, effect), call.method)


def _json(instance: Instance, database: KnownDatabase) -> Json:
    return {
        "kind": "sql#database",
        "name": database.name,
        "charset": database.charset,
        "collation": database.collation,
        "instance": instance.name,
        "project": instance.project,
        "selfLink": f"https://sqladmin.googleapis.com/v1/{instance.resource.name}/databases/{database.name}",
    }
