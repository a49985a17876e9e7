"""Service Usage API: APIs are switched on; here all of them are on, and a refusal for one that is off is a fault."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import platform
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import project_resource

DONE: Json = {"name": "operations/noop.DONE_OPERATION", "done": True}
"""What Google answers where nothing is to be done."""


class ServiceUsage:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {"serviceusage.services.enable": self.enable, "serviceusage.services.batchEnable": self.enable_all}

    async def enable(self, call: Call) -> Json:
        """Switch one API on."""
        return self._done(call, call.path["name"].split("/")[1])

    async def enable_all(self, call: Call) -> Json:
        """Switch several APIs on.

        Source: Service Usage API v1, services.batchEnable: at most 20 at a time
        """
        if not 1 <= len(call.body.get("serviceIds", [])) <= 20:
            raise platform(400, "badRequest", "Request must contain between 1 and 20 services.")
        return self._done(call, call.path["parent"].removeprefix("projects/"))

    def _done(self, call: Call, name: str) -> Json:
        project = self._cloud.project(name)
        if project is None or not call.may("serviceusage.services.enable", project_resource(project.id)):
            raise platform(
                403, "forbidden", "Permission denied to enable service", service="serviceusage.googleapis.com"
            )
        return DONE
