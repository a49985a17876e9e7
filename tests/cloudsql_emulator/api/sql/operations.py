"""Operations of the Cloud SQL Admin API: operations.get, .list and .cancel."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.discovery import Method
from cloudsql_emulator.api.errors import ApiError, invalid, not_authorized
from cloudsql_emulator.api.sql.places import authorized_on, instance_of, project_of
from cloudsql_emulator.clock import rfc3339
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.members import address_of
from cloudsql_emulator.instances.operations import Operation

_ROOT = {"v1": "https://sqladmin.googleapis.com/v1", "v1beta4": "https://sqladmin.googleapis.com/sql/v1beta4"}


class SqlOperations:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            "sql.operations.get": self.get,
            "sql.operations.list": self.list_operations,
            "sql.operations.cancel": self.cancel,
        }

    async def get(self, call: Call) -> Json:
        """One operation; it takes cloudsql.instances.get on its instance."""
        return operation_json(self._found(call), call.method)

    async def cancel(self, call: Call) -> Json:
        """Refused: what is done here at all is nothing that can be cancelled. GUESS: the words."""
        found = self._found(call)
        raise invalid(f"Operation {found.name} of type {found.type} cannot be cancelled.")

    def _found(self, call: Call) -> Operation:
        project = self._cloud.project(call.path["project"])
        found = self._cloud.operations.find(call.path["operation"])
        if project is None:
            raise not_authorized()
        if found is None or found.project != project.id:
            project_of(call, self._cloud)
            # GUESS at the words; the class OPERATION_DOES_NOT_EXIST is documented
            raise ApiError(404, "operationDoesNotExist", "The operation does not exist.")
        authorized_on(call, self._cloud, project.id, found.instance)
        return found

    async def list_operations(self, call: Call) -> Json:
        """Operations of an instance, or of a project, newest first; paging is not needed for so few."""
        instance = call.queried("instance")
        if instance:
            call.path = {**call.path, "instance": instance}
            found = instance_of(call, self._cloud)
            listed = self._cloud.operations.listed(found.project, found.name)
        else:
            listed = self._cloud.operations.listed(project_of(call, self._cloud), None)
        return {"kind": "sql#operationsList", "items": [operation_json(each, call.method) for each in listed]}


def operation_json(operation: Operation, method: Method) -> Json:
    """An operation as the version that was asked shows it."""
    target = f"{_ROOT[method.version]}/projects/{operation.project}"
    told: Json = {
        "kind": "sql#operation",
        "name": operation.name,
        "operationType": operation.type,
        "status": operation.status,
        "user": address_of(operation.caller),
        "insertTime": rfc3339(operation.inserted),
        "targetId": operation.instance,
        "targetProject": operation.project,
        "targetLink": f"{target}/instances/{operation.instance}",
        "selfLink": f"{target}/operations/{operation.name}",
    }
    if operation.started:
        told["startTime"] = rfc3339(operation.started)
    if operation.ended:
        told["endTime"] = rfc3339(operation.ended)
    if operation.errors:
        listed = [{"kind": "sql#operationError", "code": code, "message": text} for code, text in operation.errors]
        told["error"] = {"kind": "sql#operationErrors", "errors": listed}
    return told
