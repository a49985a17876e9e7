"""Resource Manager API v1 and v3: projects.get and the policies of projects."""

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.iam_policies import IamPolicies, PolicyPlace
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import Project
from cloudsql_emulator.iam.access import project_resource

PREFIX = "cloudresourcemanager.projects"


class ResourceManager:
    """The handlers; an absent project looks like one without permission."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._policies = IamPolicies(cloud)

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            f"{PREFIX}.get": self.get,
            f"{PREFIX}.getIamPolicy": self.get_policy,
            f"{PREFIX}.setIamPolicy": self.set_policy,
            f"{PREFIX}.testIamPermissions": self.held_permissions,
        }

    async def get(self, call: Call) -> Json:
        """What a project is."""
        project = self._project(call)
        if not call.may("resourcemanager.projects.get", project_resource(project.id)):
            raise _denied()
        if call.method.version == "v1":
            return {
                "projectId": project.id,
                "projectNumber": project.number,
                "name": project.id,
                "lifecycleState": "ACTIVE",
            }
        return {
            "name": f"projects/{project.number}",
            "projectId": project.id,
            "displayName": project.id,
            "state": "ACTIVE",
        }

    async def get_policy(self, call: Call) -> Json:
        """A project's policy."""
        version = call.body.get("options", {}).get("requestedPolicyVersion", 0)
        return self._policies.get(call, self._place(call), version)

    async def set_policy(self, call: Call) -> Json:
        """Replace a project's policy."""
        return self._policies.set(call, self._place(call))

    async def held_permissions(self, call: Call) -> Json:
        """Which of some permissions the caller holds."""
        return self._policies.test(call, self._place(call))

    def _place(self, call: Call) -> PolicyPlace:
        resource = project_resource(self._project(call).id)
        return PolicyPlace(resource, "resourcemanager.projects", _denied())

    def _project(self, call: Call) -> Project:
        named = call.path.get("resource") or call.path.get("projectId") or call.path["name"]
        project = self._cloud.project(named.removeprefix("projects/"))
        if project is None:
            raise _denied()
        return project


def _denied() -> ApiError:
    return platform(403, "forbidden", "The caller does not have permission")
