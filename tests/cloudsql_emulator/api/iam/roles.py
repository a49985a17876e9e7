"""IAM API: roles, and the permissions that may be asked for."""

import re

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import project_resource
from cloudsql_emulator.iam.role_catalog import PERMISSIONS

_ROLE_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}")


class IamRoles:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {
            "iam.roles.get": self.get,
            "iam.projects.roles.get": self.get_custom,
            "iam.projects.roles.create": self.create,
            "iam.permissions.queryTestablePermissions": self.testable_permissions,
        }

    async def get(self, call: Call) -> Json:
        """A predefined role; anybody may read it."""
        return self._json(call.path["name"])

    async def get_custom(self, call: Call) -> Json:
        """A project's own role."""
        project = self._cloud.project(call.path["name"].split("/")[1])
        if project is None or not call.may("iam.roles.get", project_resource(project.id)):
            message = f"You don't have permission to get the role at {call.path['name']}."
            raise platform(403, "forbidden", message)
        return self._json(call.path["name"])

    async def create(self, call: Call) -> Json:
        """Make a project's own role of permissions that are known here.

        Source: IAM API v1, projects.roles.create
        """
        parent, role_id, role = call.path["parent"], str(call.body.get("roleId", "")), call.body.get("role", {})
        project = self._cloud.project(parent.removeprefix("projects/"))
        if project is None or not call.may("iam.roles.create", project_resource(project.id)):
            raise platform(403, "forbidden", f"You don't have permission to create a role in {parent}.")
        name, permissions = f"{parent}/roles/{role_id}", frozenset(role.get("includedPermissions", ()))
        if not _ROLE_ID.fullmatch(role_id):
            raise platform(400, "badRequest", f"The role_id {role_id} is not valid.")  # GUESS: the words
        if self._cloud.roles.knows(name):
            message = f"A role named {role_id} in {parent} already exists."
            raise ApiError(409, "alreadyExists", message, status="ALREADY_EXISTS")
        for permission in sorted(permissions - PERMISSIONS):
            raise platform(400, "badRequest", f"Permission {permission} is not valid.")
        self._cloud.roles.define(name, permissions)
        return self._json(name)

    async def testable_permissions(self, _: Call) -> Json:
        """Permissions that policies may be asked about; those that are known here, for every resource alike."""
        return {"permissions": [{"name": name, "stage": "GA"} for name in sorted(PERMISSIONS)]}

    def _json(self, name: str) -> Json:
        if not self._cloud.roles.knows(name):
            raise platform(404, "notFound", f"The role named {name} was not found.")
        title = name.rpartition("/")[2]
        permissions = list(self._cloud.roles.permissions(name))
        told = {"name": name, "title": title, "stage": "GA", "etag": "AA=="}
        return {**told, "includedPermissions": permissions} if permissions else told
