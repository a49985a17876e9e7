"""A project's IAM policy through the Resource Manager API: read it, write it, and say what was wrong with it."""

import re

from cloudsql_iam_operator.adapters.google.answers import Answered, Errand, unexpected
from cloudsql_iam_operator.adapters.google.client import API, Caller
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.shapes import is_policy
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason

POLICY_VERSION = 3
"""The version that carries conditions: reading or writing an older one would lose them."""


class PolicyConflict(Exception):
    """Somebody else wrote the policy in between: read, plan and write again."""


class PolicyRejected(Exception):
    """The policy as a whole was refused for something in it.

    `culprit` is the account, role or principal that the text names, lower case; "" when it names none.
    """

    def __init__(self, culprit: str, text: str) -> None:
        super().__init__(text)
        self.culprit = culprit
        self.text = text


class ResourceManager:
    """Policies of projects. Safe to share between threads.

    Source: Resource Manager API v3, projects.getIamPolicy and setIamPolicy
    """

    def __init__(self, endpoints: Endpoints, caller: Caller) -> None:
        self._api = API("cloudresourcemanager", "v3", endpoints.resource_manager, caller)

    def get_policy(self, project: str) -> Policy:
        """The policy as it stands, conditions included.

        Raises:
            NotYet: it could not be read, or what was read has no etag and so cannot be written.
        """
        errand = Errand(
            "projects.getIamPolicy",
            f"read the IAM policy of project {project}",
            f"resourcemanager.projects.getIamPolicy on project {project}, which must exist",
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
        )
        body = {"options": {"requestedPolicyVersion": POLICY_VERSION}}
        resource = f"projects/{project}"
        try:
            return Policy(
                self._api.call(lambda google: google.projects().getIamPolicy(resource=resource, body=body), errand)
            )
        except Answered as answered:
            raise unexpected(answered, errand) from answered

    def set_policy(self, project: str, policy: Policy) -> Policy:
        """Write a policy that was read before, guarded by its etag; the policy as stored then.

        Only bindings are replaced: the server leaves auditConfigs as they are.

        Raises:
            PolicyConflict: it was changed since it was read.
            PolicyRejected: something in it is not acceptable.
        """
        errand = Errand(
            "projects.setIamPolicy",
            f"write the IAM policy of project {project}",
            f"resourcemanager.projects.setIamPolicy on project {project}, and for these roles if it is limited by role",
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
            writes=True,
        )
        body = {"policy": {**policy.document, "version": POLICY_VERSION}}
        resource = f"projects/{project}"
        try:
            return Policy(
                self._api.call(lambda google: google.projects().setIamPolicy(resource=resource, body=body), errand)
            )
        except Answered as answered:
            raise _understood(answered, errand) from answered


_FULL = re.compile(r"number of members in the policy|maximum allowed size")
_NAMED = r"\b(?:service account|user|group|domain|account|principal) (\S+@\S+|\S+://\S+) (?:does not|is of|is not)"
_CULPRITS = (re.compile(_NAMED, re.IGNORECASE), re.compile(r"\brole (\S+) is not", re.IGNORECASE))
_ABSENT = re.compile(r"do(es)? not exist", re.IGNORECASE)
_ABOUT_MEMBERS = re.compile(
    r"do(es)? not exist|is of type|permitted customer|not supported|not valid|invalid (member|principal|account)",
    re.IGNORECASE,
)


def _understood(answered: Answered, errand: Errand) -> Exception:
    if answered.code in {409, 412}:
        return PolicyConflict(answered.message)
    if answered.code == 400 and _FULL.search(answered.message):
        return Refused(Reason.IAM_POLICY_FULL, f"could not {errand.purpose}: {answered.said}")
    if answered.code == 400 and _ABOUT_MEMBERS.search(answered.message):
        absent = _ABSENT.search(answered.message)
        remedy = " Create it in Google, or correct spec.principal." if absent else ""
        return PolicyRejected(_culprit(answered.message), answered.said + remedy)
    return unexpected(answered, errand)


def _culprit(text: str) -> str:
    found = next((match for match in (pattern.search(text) for pattern in _CULPRITS) if match), None)
    return found.group(1).lower().strip("'\",") if found else ""
