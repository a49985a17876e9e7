"""getIamPolicy, setIamPolicy and testIamPermissions, the same for projects and for service accounts."""

from dataclasses import dataclass

from cloudsql_emulator.api.call import Call, Json
from cloudsql_emulator.api.errors import ApiError, platform
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.iam.conditions import MODIFIED_GRANTS, Resource
from cloudsql_emulator.iam.policies import (
    CONDITIONAL_VERSION,
    Document,
    as_version_1,
    has_conditions,
    modified_roles,
    normalised,
)
from cloudsql_emulator.iam.policy_rules import PolicyChanged, PolicyRefused

DEFAULT_MASK = frozenset({"bindings", "etag", "version"})


@dataclass(frozen=True, slots=True)
class PolicyPlace:
    """Whose policy it is, the prefix of its permissions (`resourcemanager.projects`), and the answer without one."""

    resource: Resource
    permissions: str
    denied: ApiError


class IamPolicies:
    """The three methods over a place."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def get(self, call: Call, place: PolicyPlace, version: int) -> Json:
        """The policy; conditions are shown only to those who ask for version 3."""
        if not call.may(f"{place.permissions}.getIamPolicy", place.resource):
            raise place.denied
        return self._shown(self._cloud.policies.read(place.resource.name), version)

    def set(self, call: Call, place: PolicyPlace) -> Json:
        """Replace what the mask names (bindings unless told otherwise).

        GUESS: the order of checks: any permission, etag, permission for the roles that change, content.
        """
        stored = self._cloud.policies.read(place.resource.name)
        submitted: Document = call.body.get("policy", {})
        self._check_permission(call, place, ())
        try:
            self._cloud.rules.check_etag(stored, submitted)
            self._check_permission(call, place, modified_roles(stored, submitted))
            is_project = place.permissions == "resourcemanager.projects"
            self._cloud.rules.check(stored, submitted, project=place.resource.project, is_project=is_project)
        except PolicyChanged as changed:
            raise platform(409, "aborted", str(changed)) from changed
        except PolicyRefused as refused:
            raise _refusal(refused) from refused
        merged = self._merged(stored, submitted, call.body.get("updateMask"))
        return self._shown(self._cloud.policies.write(place.resource.name, merged), CONDITIONAL_VERSION)

    def test(self, call: Call, place: PolicyPlace) -> Json:
        """Those of some permissions that the caller holds; it takes none to ask."""
        asked = call.body.get("permissions", [])
        held = [each for each in asked if call.access.holds(call.caller, each, place.resource)]
        return {"permissions": held} if held else {}

    def _check_permission(self, call: Call, place: PolicyPlace, roles: tuple[str, ...]) -> None:
        if not call.may(f"{place.permissions}.setIamPolicy", place.resource, {MODIFIED_GRANTS: roles}):
            raise place.denied

    def _merged(self, stored: Document, submitted: Document, mask: str | None) -> Document:
        fields = frozenset(mask.split(",")) | {"etag"} if mask else DEFAULT_MASK
        # in the stored order, so that a policy which is put back is the same text
        names = [name for name in {**stored, **submitted} if name in (submitted if name in fields else stored)]
        merged = {name: submitted[name] if name in fields else stored[name] for name in names}
        merged["version"] = CONDITIONAL_VERSION if has_conditions(merged) else 1
        return normalised(merged) if self._cloud.switches.normalise_policies else merged

    def _shown(self, policy: Document, version: int) -> Json:
        if has_conditions(policy) and version < CONDITIONAL_VERSION:
            return as_version_1(policy)
        return policy


def _refusal(refused: PolicyRefused) -> ApiError:
    if not refused.details:
        return platform(400, "badRequest", str(refused))
    status = "FAILED_PRECONDITION"
    return ApiError(400, "failedPrecondition", str(refused), status=status, details=refused.details)
