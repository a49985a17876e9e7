"""IAM API: service accounts and their policies; what they sign is in `credentials`."""

import re

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.iam.policies import IamPolicies, PolicyPlace
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import account_resource, project_resource
from cloudsql_emulator.iam.directory import Account

PREFIX = "iam.projects.serviceAccounts"

_ACCOUNT_ID = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")
_NAME = re.compile(r"projects/(?P<project>[^/]+)/serviceAccounts/(?P<account>[^/]+)")


class ServiceAccounts:
    """The handlers."""

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
            f"{PREFIX}.list": self.list_accounts,
            f"{PREFIX}.create": self.create,
        }

    async def get(self, call: Call) -> Json:
        """What a service account is."""
        return _json(self._account(call, call.path["name"], "iam.serviceAccounts.get"), self._cloud)

    async def get_policy(self, call: Call) -> Json:
        """A service account's policy."""
        place = self._place(call, "iam.serviceAccounts.getIamPolicy")
        return self._policies.get(call, place, int(call.queried("options.requestedPolicyVersion") or 0))

    async def set_policy(self, call: Call) -> Json:
        """Replace a service account's policy."""
        return self._policies.set(call, self._place(call, "iam.serviceAccounts.setIamPolicy"))

    async def held_permissions(self, call: Call) -> Json:
        """Which of some permissions the caller holds."""
        return self._policies.test(call, self._place(call, "iam.serviceAccounts.get"))

    async def list_accounts(self, call: Call) -> Json:
        """Service accounts of a project; paging is not needed for so few."""
        project = self._project(call, "iam.serviceAccounts.list")
        found = [each for each in self._cloud.directory.service_accounts() if each.project == project]
        return {"accounts": [_json(each, self._cloud) for each in found]} if found else {}

    async def create(self, call: Call) -> Json:
        """Make a service account."""
        project = self._project(call, "iam.serviceAccounts.create")
        account_id = str(call.body.get("accountId", ""))
        if not _ACCOUNT_ID.fullmatch(account_id):
            # GUESS: these words for all that is wrong with it
            raise platform(400, "badRequest", "The account ID does not have a length between 6 and 30.")
        scope, colon, short = project.rpartition(":")
        email = f"{account_id}@{short}{f'.{scope}' if colon else ''}.iam.gserviceaccount.com"
        if self._cloud.directory.find(email):
            message = f"Service account {account_id} already exists within project projects/{project}."
            raise ApiError(409, "alreadyExists", message, status="ALREADY_EXISTS")
        return _json(self._cloud.add_service_account(email), self._cloud)

    def _place(self, call: Call, permission: str) -> PolicyPlace:
        account = self._account(call, call.path["resource"], permission)
        resource = account_resource(account.project or "", account.email)
        return PolicyPlace(resource, "iam.serviceAccounts", _denied(permission, resource.name))

    def _account(self, call: Call, name: str, permission: str) -> Account:
        return account_of(call, self._cloud, name, permission)

    def _project(self, call: Call, permission: str) -> str:
        project = self._cloud.project(call.path["name"].removeprefix("projects/"))
        resource = project_resource(project.id if project else "")
        if project is None or not call.may(permission, resource):
            raise _denied(permission, resource.name)
        return project.id


def account_of(call: Call, cloud: Cloud, name: str, permission: str) -> Account:
    """The account that a call names and that its caller may act on; 404 only for those who may ask.

    Raises:
        ApiError: no permission, or no such account.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        raise platform(400, "badRequest", "Request contains an invalid argument.")
    found = cloud.directory.find(named["account"])
    if found is not None and found.kind != "serviceAccount":
        found = None
    email = found.email if found else named["account"]
    project = cloud.project_of(email) if named["project"] == "-" else named["project"]
    known = cloud.project(project)
    resource = account_resource(known.id if known else project, email)
    tests = call.method.id.endswith("testIamPermissions")
    if not tests and not call.may(permission, resource):
        raise _denied(permission, resource.name)
    if found is None and named["project"] == "-" and cloud.switches.wildcard_absent == "forbidden":
        raise _denied(permission, resource.name)
    if found is None or found.project != resource.project:
        # GUESS: this text for all methods; generateAccessToken was seen to speak of a Gaia id
        raise platform(404, "notFound", f"Service account {name} does not exist.")
    return found


def _json(account: Account, cloud: Cloud) -> Json:
    return {
        "name": cloud.account_policy(account),
        "projectId": account.project,
        "uniqueId": account.uid,
        "email": account.email,
        "displayName": account.email.partition("@")[0],
        "oauth2ClientId": account.uid,
        "etag": "MDEwMjE5MjA=",
    }


def _denied(permission: str, resource: str) -> ApiError:
    return ApiError(
        403,
        "forbidden",
        f"Permission '{permission}' denied on resource (or it may not exist).",
        status="PERMISSION_DENIED",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IAM_PERMISSION_DENIED",
                "domain": "iam.googleapis.com",
                "metadata": {"permission": permission, "resource": resource},
            }
        ],
    )
