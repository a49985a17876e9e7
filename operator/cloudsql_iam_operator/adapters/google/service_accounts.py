"""Google service accounts through the IAM API: which Kubernetes ServiceAccounts may act as them."""

import re
from dataclasses import dataclass

from cloudsql_iam_operator.adapters.google.answers import Answered, Errand, unexpected
from cloudsql_iam_operator.adapters.google.client import API, Caller
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints, account_path
from cloudsql_iam_operator.adapters.google.resource_manager import POLICY_VERSION
from cloudsql_iam_operator.adapters.google.shapes import is_policy
from cloudsql_iam_operator.core.askers import on_account_policy, workload_member
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import folded
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason

WORKLOAD_IDENTITY_USER = "roles/iam.workloadIdentityUser"


_POOLS = re.compile(
    r"(principal|principalSet)://iam\.googleapis\.com/projects/[0-9]+/locations/global/workloadIdentityPools/([^/]+)/(.+)"
)
"""A principal of a pool, or a set of them. Only Google makes pools whose names have dots, so the pool's name tells the
project as its number would."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A Kubernetes ServiceAccount as Google knows it; `pool` is `PROJECT.svc.id.goog`."""

    pool: str
    namespace: str
    name: str

    @property
    def member(self) -> str:
        """Its IAM member, in the older form."""
        return workload_member(self.pool, self.namespace, self.name)

    def is_covered_by(self, member: str) -> bool:
        """Whether a policy's member is this workload, or a set that it is in.

        Sets by cluster are not counted: which cluster this is, nothing proves.
        Source: GKE, "About Workload Identity Federation for GKE", principal identifiers
        """
        if folded(member) == folded(self.member):
            return True
        found = _POOLS.fullmatch(member)
        if found is None or found.group(2) != self.pool:
            return False
        kind, _, rest = found.groups()
        if kind == "principal":
            return rest == f"subject/ns/{self.namespace}/sa/{self.name}"
        return rest in {"*", f"namespace/{self.namespace}"}


class ServiceAccounts:
    """Policies of service accounts, read only. Safe to share between threads.

    Source: IAM API v1, projects.serviceAccounts.getIamPolicy
    """

    def __init__(self, endpoints: Endpoints, caller: Caller) -> None:
        self._api = API("iam", "v1", endpoints.iam, caller)

    def admits(self, email: str, workload: Workload) -> bool:
        """Whether the account's policy lets the workload act as it, without a condition.

        Raises:
            NotYet: there is no such account, or its policy could not be read; neither proves that access is withdrawn.
        """
        errand = Errand(
            "projects.serviceAccounts.getIamPolicy",
            f"read the IAM policy of service account {email}",
            on_account_policy(email),
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
        )
        asked = {"resource": account_path(email), "options_requestedPolicyVersion": POLICY_VERSION}
        try:
            policy = Policy(self._api.call(lambda accounts: accounts.getIamPolicy(**asked), errand))
        except Answered as answered:
            if answered.code == 404 and answered.reason in {"notFound", "NOT_FOUND"}:
                text = f"service account {email} does not exist: create it, or correct the annotation"
                raise NotYet(Reason.PRINCIPAL_NOT_FOUND, text) from answered
            raise unexpected(answered, errand) from answered
        return any(
            binding.role == WORKLOAD_IDENTITY_USER
            and binding.condition is None
            and workload.is_covered_by(binding.member)
            for binding in policy.bindings
        )
