"""Whether somebody holds a permission on something at this moment, by the policies that act."""

from collections.abc import Callable, Mapping

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.iam.cel import UnknownExpression
from cloudsql_emulator.iam.conditions import Circumstances, Resource, holds
from cloudsql_emulator.iam.directory import Directory
from cloudsql_emulator.iam.members import canonical, is_covered_by
from cloudsql_emulator.iam.policies import Grant, PolicyStore
from cloudsql_emulator.iam.role_catalog import RoleCatalog

RESOURCE_MANAGER = "cloudresourcemanager.googleapis.com"
SQL_ADMIN = "sqladmin.googleapis.com"
IAM = "iam.googleapis.com"

Attributes = Mapping[str, tuple[str, ...]]


def project_resource(project: str) -> Resource:
    """A project as conditions see it."""
    return Resource(project, f"projects/{project}", f"{RESOURCE_MANAGER}/Project", RESOURCE_MANAGER)


def instance_resource(project: str, instance: str) -> Resource:
    """A Cloud SQL instance as conditions see it."""
    return Resource(project, f"projects/{project}/instances/{instance}", f"{SQL_ADMIN}/Instance", SQL_ADMIN)


def account_resource(project: str, email: str) -> Resource:
    """A service account as conditions see it; it has a policy of its own."""
    return Resource(project, f"projects/{project}/serviceAccounts/{email}", f"{IAM}/ServiceAccount", IAM)


class Access:
    """Answers from roles, groups and conditions. `on_unknown` is told of conditions that are not understood."""

    def __init__(
        self,
        policies: PolicyStore,
        directory: Directory,
        roles: RoleCatalog,
        clock: Clock,
        on_unknown: Callable[[str], None],
    ) -> None:
        self._policies = policies
        self._directory = directory
        self._roles = roles
        self._clock = clock
        self._on_unknown = on_unknown

    def holds(self, member: str, permission: str, resource: Resource, attributes: Attributes | None = None) -> bool:
        """Whether a member may, through its project's policy or the resource's own."""
        names = {canonical(member), *self._directory.groups_of(member)}
        circumstances = Circumstances(resource, self._clock.now(), attributes or {})
        return any(
            self._applies(grant, permission, names) and self._condition_holds(grant, circumstances)
            for policy in {f"projects/{resource.project}", resource.name}
            for grant in self._policies.acting_grants(policy)
        )

    def _applies(self, grant: Grant, permission: str, names: set[str]) -> bool:
        return self._roles.includes(grant.role, permission) and any(is_covered_by(name, grant.member) for name in names)

    def _condition_holds(self, grant: Grant, circumstances: Circumstances) -> bool:
        if not grant.condition:
            return True
        try:
            return holds(grant.condition, circumstances)
        except UnknownExpression as unknown:
            self._on_unknown(f"{grant.condition}: {unknown}")
            return False
