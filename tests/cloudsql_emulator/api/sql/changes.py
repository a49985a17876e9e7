"""Cloud SQL Admin API: what changes a whole instance, instances.patch and .restart."""

from collections.abc import Mapping

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import invalid
from cloudsql_emulator.api.sql.flags import check_flag
from cloudsql_emulator.api.sql.operations import operation_json
from cloudsql_emulator.api.sql.places import instance_of, running_instance_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.operations import Effect, Operation, OperationType


class SqlChanges:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {"sql.instances.patch": self.patch, "sql.instances.restart": self.restart}

    async def patch(self, call: Call) -> Json:
        """Change settings; databaseFlags are all flags that there shall be."""
        instance = instance_of(call, self._cloud)
        settings = {**call.body.get("settings", {})}
        for unchanged in ("kind", "settingsVersion"):
            settings.pop(unchanged, None)
        flags = _flags(settings.pop("databaseFlags")) if "databaseFlags" in settings else None

        async def effect() -> None:
            if flags is not None:
                await self._cloud.changes.set_flags(instance, flags)
            await self._cloud.changes.set_settings(instance, settings)

        return await self._operate(call, instance, "UPDATE", effect)

    async def restart(self, call: Call) -> Json:
        """Restart an instance, which cuts its sessions."""
        instance = running_instance_of(call, self._cloud)
        return await self._operate(call, instance, "RESTART", lambda: self._cloud.changes.restart(instance))

    async def _operate(self, call: Call, instance: Instance, kind: OperationType, effect: Effect) -> Json:
        operation = Operation(instance.project, instance.name, kind, call.caller, self._cloud.clock.now())
        return operation_json(await self._cloud.operations.run(operation, effect), call.method)


def _flags(listed: list[Mapping[str, str]]) -> dict[str, str]:
    flags = {each.get("name", ""): each.get("value", "") for each in listed}
    for name, value in flags.items():
        problem = check_flag(name, value)
        if problem is not None:
            raise invalid(problem)
    return flags
