"""Resource Manager API v1 and v3: projects, and their policies."""

import fnmatch

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.iam.policies import IamPolicies, PolicyPlace
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
            f"{PREFIX}.list": self.list_projects,
            f"{PREFIX}.search": self.search,
            f"{PREFIX}.getAncestry": self.ancestry,
            f"{PREFIX}.getIamPolicy": self.get_policy,
            f"{PREFIX}.setIamPolicy": self.set_policy,
            f"{PREFIX}.testIamPermissions": self.held_permissions,
        }

    async def get(self, call: Call) -> Json:
        """What a project is."""
        project = self._project(call)
        if not call.may("resourcemanager.projects.get", project_resource(project.id)):
            raise _denied()
        return _json(project, call.method.version)

    async def list_projects(self, call: Call) -> Json:
        """Projects that the caller may see; in v3 those of a parent, and no folder or organisation is emulated."""
        if call.method.version == "v3":
            raise _denied()
        return self._seen(call, call.queried("filter"))

    async def search(self, call: Call) -> Json:
        """Projects that the caller may see."""
        return self._seen(call, call.queried("query"))

    async def ancestry(self, call: Call) -> Json:
        """What a project is in: nothing but itself here."""
        project = self._project(call)
        if not call.may("resourcemanager.projects.get", project_resource(project.id)):
            raise _denied()
        return {"ancestor": [{"resourceId": {"type": "project", "id": project.id}}]}

    def _seen(self, call: Call, query: str) -> Json:
        found = [
            _json(project, call.method.version)
            for project in self._cloud.projects.values()
            if _matches(project, query) and call.may("resourcemanager.projects.get", project_resource(project.id))
        ]
        return {"projects": found} if found else {}

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


def _json(project: Project, version: str) -> Json:
    if version == "v1":
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


def _matches(project: Project, query: str) -> bool:
    """Whether a project is found by all terms of a query, each `field:value` or `field=value`.

    Raises:
        ApiError: a term is not understood here.
    """
    fields = {"lifecyclestate": "ACTIVE", "state": "ACTIVE", "projectnumber": project.number}
    fields |= dict.fromkeys(("id", "projectid", "name", "displayname"), project.id)
    for term in query.replace(" AND ", " ").split():
        name, sign, value = term.partition(":") if ":" in term else term.partition("=")
        if not sign or name.lower() not in fields:
            raise platform(400, "badRequest", f"Request contains an invalid argument: {term}.")  # GUESS: the words
        if not fnmatch.fnmatchcase(fields[name.lower()].lower(), value.strip('"').lower()):
            return False
    return True


def _denied() -> ApiError:
    return platform(403, "forbidden", "The caller does not have permission")
