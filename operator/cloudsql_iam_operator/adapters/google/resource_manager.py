"""A project's IAM policy through the Resource Manager API: read it, write it, and say what was wrong with it."""

import re

from cloudsql_iam_operator.adapters.google.answers import Answered, Errand, unexpected
from cloudsql_iam_operator.adapters.google.client import API, Caller
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, project_path
from cloudsql_iam_operator.adapters.google.shapes import is_policy
from cloudsql_iam_operator.core.askers import on_policy
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason

POLICY_VERSION = 3
"""The version that carries conditions: reading or writing an older one would lose them."""


class PolicyConflict(Exception):
    """Somebody else wrote the policy in between: read, plan and write again."""


class PolicyRejected(Exception):
    """The policy as a whole was refused for something in it.

    `culprit` is the account, role or principal that the text names, lower case; "" when it names none. `reason` is what
    the text is about; None when it is in words that nobody knows.
    """

    def __init__(self, culprit: str, text: str, reason: Reason | None = Reason.PRINCIPAL_NOT_FOUND) -> None:
        super().__init__(text)
        self.culprit = culprit
        self.text = text
        self.reason = reason


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
            on_policy("resourcemanager.projects.getIamPolicy", project),
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
        )
        body = {"options": {"requestedPolicyVersion": POLICY_VERSION}}
        resource = project_path(project)
        try:
            return Policy(self._api.call(lambda projects: projects.getIamPolicy(resource=resource, body=body), errand))
        except Answered as answered:
            raise unexpected(answered, errand) from answered

    def set_policy(self, project: str, policy: Policy) -> Policy:
        """Write a policy that was read before, guarded by its etag; the policy as stored then.

        Only bindings are replaced: the server leaves auditConfigs as they are.

        Raises:
            PolicyConflict: it was changed since it was read.
            PolicyRejected: something in it is not acceptable.
            NotYet: it has no etag, and so would overwrite whatever is there; or Google did not take it now.
        """
        if not policy.etag:
            text = f"the IAM policy of project {project} was read without an etag, and such a one is never written"
            raise NotYet(Reason.UNEXPECTED_ANSWER, text)
        errand = Errand(
            "projects.setIamPolicy",
            f"write the IAM policy of project {project}",
            on_policy("resourcemanager.projects.setIamPolicy", project),
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
            writes=True,
        )
        body = {"policy": {**policy.document, "version": POLICY_VERSION}}
        resource = project_path(project)
        try:
            return Policy(self._api.call(lambda projects: projects.setIamPolicy(resource=resource, body=body), errand))
        except Answered as answered:
            raise _understood(answered, errand) from answered


_FULL = re.compile(r"number of members in the policy|maximum allowed size")
_NAMED = r"\b(?:service account|user|group|domain|account|principal) (?=\S*(?:@|://))(\S+) (?:does not|is of|is not)"
_CULPRITS = (re.compile(_NAMED, re.IGNORECASE), re.compile(r"\brole (\S+) is not", re.IGNORECASE))
_MEANINGS = (
    (
        re.compile(r"\brole \S+ is not", re.IGNORECASE),
        Reason.INVALID_SPEC,
        "Correct spec.iam.roles of the CloudSQLInstance.",
    ),
    (
        re.compile(r"do(es)? not exist", re.IGNORECASE),
        Reason.PRINCIPAL_NOT_FOUND,
        "Create it in Google, or correct spec.principal.",
    ),
    (
        re.compile(r"permitted customer|org(anization)?'?s? policy|constraints/", re.IGNORECASE),
        Reason.IAM_MEMBER_REFUSED,
        "The organization's policy must allow that principal.",
    ),
    (
        re.compile(r"is of type|not supported|not valid|invalid (member|principal|account)", re.IGNORECASE),
        Reason.IAM_MEMBER_REFUSED,
        "Correct spec.principal.",
    ),
)
"""What is wrong with a policy, by the words that are known. Source: texts seen in public logs and documents"""


def _understood(answered: Answered, errand: Errand) -> Exception:
    if answered.code in {409, 412}:
        return PolicyConflict(answered.said)
    if answered.code != 400:
        return unexpected(answered, errand)
    if _FULL.search(answered.message):
        return Refused(Reason.IAM_POLICY_FULL, f"could not {errand.purpose}: {answered.said}")
    for pattern, reason, remedy in _MEANINGS:
        if pattern.search(answered.message):
            return PolicyRejected(_culprit(answered.message), f"{answered.said} {remedy}", reason)
    return PolicyRejected(_culprit(answered.message), answered.said or answered.reason, None)


def _culprit(text: str) -> str:
    found = next((match for match in (pattern.search(text) for pattern in _CULPRITS) if match), None)
    return found.group(1).lower().strip("'\",") if found else ""
