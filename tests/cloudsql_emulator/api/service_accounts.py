"""IAM API: service accounts and their policies; IAM Credentials API: access tokens for them."""

import datetime as dt
import re

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.api.iam_policies import IamPolicies, PolicyPlace
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.access import account_resource
from cloudsql_emulator.iam.directory import Account

PREFIX = "iam.projects.serviceAccounts"
LONGEST_TOKEN = 3600
"""Seconds, without a change of the organisation policy."""

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
            "iamcredentials.projects.serviceAccounts.generateAccessToken": self.generate_access_token,
        }

    async def get(self, call: Call) -> Json:
        """What a service account is."""
        account = self._account(call, call.path["name"], "iam.serviceAccounts.get")
        return {
            "name": self._cloud.account_policy(account),
            "projectId": account.project,
            "uniqueId": account.uid,
            "email": account.email,
            "displayName": account.email.partition("@")[0],
            "oauth2ClientId": account.uid,
            "etag": "MDEwMjE5MjA=",
        }

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

    async def generate_access_token(self, call: Call) -> Json:
        """A token of a service account, for those who may impersonate it."""
        account = self._account(call, call.path["name"], "iam.serviceAccounts.getAccessToken")
        seconds = int(float(str(call.body.get("lifetime", "3600s")).removesuffix("s")))
        scopes = call.body.get("scope", [])
        if not scopes:
            raise platform(400, "badRequest", "Request contains an invalid argument.")
        if not 0 < seconds <= LONGEST_TOKEN:
            # GUESS: the words
            raise platform(400, "badRequest", f"The lifetime must be at most {LONGEST_TOKEN} seconds.")
        issued = self._cloud.tokens.issue(account.member, scopes, dt.timedelta(seconds=seconds))
        # whole seconds: google-auth for Python parses nothing else here
        ends = issued.token.expires.strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"accessToken": issued.value, "expireTime": ends}

    def _place(self, call: Call, permission: str) -> PolicyPlace:
        account = self._account(call, call.path["resource"], permission)
        resource = account_resource(account.project or "", account.email)
        return PolicyPlace(resource, "iam.serviceAccounts", _denied(permission, resource.name))

    def _account(self, call: Call, name: str, permission: str) -> Account:
        """The account that a call names and that its caller may act on; 404 only for those who may ask."""
        named = _NAME.fullmatch(name)
        if named is None:
            raise platform(400, "badRequest", "Request contains an invalid argument.")
        found = self._cloud.directory.find(named["account"])
        if found is not None and found.kind != "serviceAccount":
            found = None
        email = found.email if found else named["account"]
        project = self._cloud.project_of(email) if named["project"] == "-" else named["project"]
        known = self._cloud.project(project)
        resource = account_resource(known.id if known else project, email)
        tests = call.method.id.endswith("testIamPermissions")
        if not tests and not call.may(permission, resource):
            raise _denied(permission, resource.name)
        if found is None or found.project != resource.project:
            # GUESS: this text for all methods; generateAccessToken was seen to speak of a Gaia id
            raise platform(404, "notFound", f"Service account {name} does not exist.")
        return found


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
