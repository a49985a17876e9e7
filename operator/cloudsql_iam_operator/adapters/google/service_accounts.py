"""Google service accounts through the IAM API: which Kubernetes ServiceAccounts may act as them."""

from dataclasses import dataclass

from cloudsql_iam_operator.adapters.google.answers import Answered, Errand, unexpected
from cloudsql_iam_operator.adapters.google.client import API, Caller
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.paths import account_path
from cloudsql_iam_operator.adapters.google.resource_manager import POLICY_VERSION
from cloudsql_iam_operator.adapters.google.shapes import is_policy
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import Binding
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason

WORKLOAD_IDENTITY_USER = "roles/iam.workloadIdentityUser"


@dataclass(frozen=True, slots=True)
class Workload:
    """A Kubernetes ServiceAccount as Google knows it; `pool` is `PROJECT.svc.id.goog`."""

    pool: str
    namespace: str
    name: str

    @property
    def member(self) -> str:
        """Its IAM member."""
        return f"serviceAccount:{self.pool}[{self.namespace}/{self.name}]"


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
            f"iam.serviceAccounts.getIamPolicy on {email}, which must exist",
            Reason.IAM_PERMISSION_DENIED,
            is_policy,
        )
        asked = {"resource": account_path(email), "options_requestedPolicyVersion": POLICY_VERSION}
        try:
            policy = Policy(
                self._api.call(lambda google: google.projects().serviceAccounts().getIamPolicy(**asked), errand)
            )
        except Answered as answered:
            if answered.code == 404 and answered.reason in {"notFound", "NOT_FOUND"}:
                text = f"service account {email} does not exist: create it, or correct the annotation"
                raise NotYet(Reason.PRINCIPAL_NOT_FOUND, text) from answered
            raise unexpected(answered, errand) from answered
        return policy.holds(Binding(WORKLOAD_IDENTITY_USER, workload.member))
