"""As whom the operator asks Google, what a call takes, and the whole command that gives it."""

import shlex
from dataclasses import dataclass

from cloudsql_iam_operator.core.gcloud import bind_on_project, gcloud

UNKNOWN_MEMBER = "MEMBER"
"""Stands in a command for who asks, where nobody knows it."""

_APIS = {
    "cloudsql": "sqladmin.googleapis.com",
    "resourcemanager": "cloudresourcemanager.googleapis.com",
    "iam": "iam.googleapis.com",
    "serviceusage": "serviceusage.googleapis.com",
}
"""APIs by the first part of their permissions."""


@dataclass(frozen=True, slots=True)
class Asker:
    """As whom Google is asked. `member` is its IAM member, "" when nobody knows it; `origin` is where it came from."""

    member: str
    origin: str = ""

    @property
    def email(self) -> str:
        """The service account's e-mail address; "" when it is none."""
        kind, _, rest = self.member.partition(":")
        return rest if kind == "serviceAccount" and "[" not in rest else ""

    def __str__(self) -> str:
        name = self.email or self.member or "the operator's own identity"
        return f"{name} ({self.origin})" if self.origin else name


@dataclass(frozen=True, slots=True)
class Need:
    """A permission on a resource, and the command that gives it when it is completed by who gets it.

    `aside` is what else the lack may mean, or what the command's role holds.
    """

    permission: str
    resource: str
    command: str
    aside: str = ""

    @property
    def api(self) -> str:
        """The API that asks for it, as `gcloud services enable` names it."""
        return _APIS[self.permission.partition(".")[0]]

    def lacked_by(self, asker: Asker) -> str:
        """What to say to somebody who does not hold it: who lacks what on what, and what gives it."""
        aside = f" ({self.aside})" if self.aside else ""
        return (
            f"asked as {asker}, which lacks {self.permission} on {self.resource}{aside}; to give it: {self.to(asker)}"
        )

    def to(self, asker: Asker) -> str:
        """The whole command."""
        return f"{self.command} --member={shlex.quote(asker.member or UNKNOWN_MEMBER)}"


ROLE = "cloudsqlIamOperator"
"""The custom role that docs/permissions.md makes."""

_LOGIN_ROLES_ONLY = (
    '^;^title=login roles only;expression=api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", [])'
    '.hasOnly(["roles/cloudsql.instanceUser", "roles/cloudsql.client"])'
)


def on_cloud_sql(permission: str, project: str, instance: str) -> Need:
    """A permission on an instance, or on all of its project."""
    command = _on_project(project, f"projects/{project}/roles/{ROLE}")
    aside = "the command gives the role of docs/permissions.md, which must hold it"
    return Need(permission, f"project {project}, or on instance {instance} by condition", command, aside)


def on_policy(permission: str, project: str) -> Need:
    """A permission on the project's IAM policy, limited to the two roles that a login takes."""
    command = _on_project(project, "roles/resourcemanager.projectIamAdmin", _LOGIN_ROLES_ONLY)
    aside = "the project must exist, and the condition must name every role of spec.iam.roles"
    return Need(permission, f"project {project}", command, aside)


def on_login(project: str) -> Need:
    """What a login by IAM takes."""
    return Need("cloudsql.instances.login", f"project {project}", _on_project(project, "roles/cloudsql.instanceUser"))


def on_account_policy(email: str) -> Need:
    """Reading who may act as a service account."""
    command = _on_account(email, "roles/iam.serviceAccountViewer")
    aside = "or there is no such account: Google answers both alike"
    return Need("iam.serviceAccounts.getIamPolicy", email, command, aside)


def on_impersonation(email: str) -> Need:
    """Acting as another service account."""
    return Need("iam.serviceAccounts.getAccessToken", email, _on_account(email, "roles/iam.serviceAccountTokenCreator"))


def on_workload_identity(email: str) -> Need:
    """Acting, as a Kubernetes ServiceAccount, as the service account that its annotation names."""
    return Need("iam.serviceAccounts.getAccessToken", email, _on_account(email, "roles/iam.workloadIdentityUser"))


def on_quota_project(project: str) -> Need:
    """Having calls charged to a project."""
    command = _on_project(project, "roles/serviceusage.serviceUsageConsumer")
    return Need("serviceusage.services.use", f"quota project {project}", command)


def workload_member(pool: str, namespace: str, name: str) -> str:
    """The IAM member that a Kubernetes ServiceAccount is, in a workload pool `PROJECT.svc.id.goog`."""
    return f"serviceAccount:{pool}[{namespace}/{name}]"


def _on_project(project: str, role: str, condition: str = "None") -> str:
    return bind_on_project(project, role, f"--condition={condition}")


def _on_account(email: str, role: str) -> str:
    return gcloud("iam", "service-accounts", "add-iam-policy-binding", email, f"--role={role}")
