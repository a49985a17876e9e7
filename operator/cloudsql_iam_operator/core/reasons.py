"""Every reason a condition may give: API, never renamed. What each means to a person is in docs/reasons.md."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple


class Standing(Enum):
    """What a reason says about the future: it holds, it waits for something, or only a person's edit helps."""

    HOLDS = "holds"
    WAITS = "waits"
    STALLED = "stalled"


class _Row(NamedTuple):
    text: str
    standing: Standing
    asks: bool


def _holds(text: str) -> _Row:
    return _Row(text, Standing.HOLDS, asks=False)


def _waits(text: str) -> _Row:
    """It goes on by itself."""
    return _Row(text, Standing.WAITS, asks=False)


def _asks(text: str) -> _Row:
    """It goes on once a person has mended something outside, which is seen without an edit."""
    return _Row(text, Standing.WAITS, asks=True)


def _stalled(text: str) -> _Row:
    return _Row(text, Standing.STALLED, asks=True)


class Reason(Enum):
    """A condition's reason; the value carries the CamelCase text, its standing, and whether it asks for a person."""

    SUCCEEDED = _holds("Succeeded")
    ADOPTED = _holds("Adopted")
    EXPIRED = _holds("Expired")
    DRIFT_CORRECTED = _holds("DriftCorrected")
    OBSERVING = _holds("Observing")
    SUSPENDED = _waits("Suspended")
    PROGRESSING = _waits("Progressing")
    PROGRESSING_WITH_RETRY = _waits("ProgressingWithRetry")

    INSTANCE_NOT_FOUND = _asks("InstanceNotFound")
    INSTANCE_NOT_READY = _waits("InstanceNotReady")
    INSTANCE_STOPPED = _asks("InstanceStopped")
    INSTANCE_SUSPENDED = _waits("InstanceSuspended")
    OPERATION_IN_PROGRESS = _waits("OperationInProgress")
    OPERATION_FAILED = _asks("OperationFailed")
    SETTINGS_DIFFER = _stalled("SettingsDiffer")
    IAM_AUTHENTICATION_DISABLED = _stalled("IAMAuthenticationDisabled")
    UNSUPPORTED_ENGINE = _stalled("UnsupportedEngine")

    NAMESPACE_NOT_ALLOWED = _stalled("NamespaceNotAllowed")
    PRINCIPAL_NOT_ALLOWED = _stalled("PrincipalNotAllowed")
    ROLE_NOT_ALLOWED = _stalled("RoleNotAllowed")
    DATABASE_NOT_ALLOWED = _stalled("DatabaseNotAllowed")
    SCHEMA_NOT_ALLOWED = _stalled("SchemaNotAllowed")
    PRIVILEGE_NOT_ALLOWED = _stalled("PrivilegeNotAllowed")
    EXPIRY_NOT_ALLOWED = _stalled("ExpiryNotAllowed")
    ACCESS_WITHDRAWN = _stalled("AccessWithdrawn")
    OPERATORS_OWN_ACCOUNT = _stalled("OperatorsOwnAccount")

    SERVICE_ACCOUNT_NOT_FOUND = _asks("ServiceAccountNotFound")
    SERVICE_ACCOUNT_NOT_ANNOTATED = _asks("ServiceAccountNotAnnotated")
    WORKLOAD_IDENTITY_MISMATCH = _stalled("WorkloadIdentityMismatch")
    PRINCIPAL_NOT_FOUND = _stalled("PrincipalNotFound")
    USERNAME_TOO_LONG = _stalled("UsernameTooLong")
    USERNAME_COLLISION = _stalled("UsernameCollision")
    INVALID_SPEC = _stalled("InvalidSpec")

    DRIFT_FOUND = _stalled("DriftFound")
    EXTERNAL_RESOURCE_EXISTS = _stalled("ExternalResourceExists")
    ADOPTION_TARGET_MISSING = _asks("AdoptionTargetMissing")
    MANAGED_BY_OTHER = _stalled("ManagedByOther")
    USER_TYPE_MISMATCH = _stalled("UserTypeMismatch")

    IAM_BINDING_MISSING = _asks("IAMBindingMissing")
    IAM_CONFLICT = _waits("IAMConflict")
    IAM_POLICY_REFUSED = _asks("IAMPolicyRefused")
    IAM_MEMBER_REFUSED = _stalled("IAMMemberRefused")
    IAM_POLICY_FULL = _stalled("IAMPolicyFull")
    IAM_PERMISSION_DENIED = _asks("IAMPermissionDenied")
    ADMIN_PERMISSION_DENIED = _asks("AdminPermissionDenied")
    SQL_PERMISSION_DENIED = _asks("SQLPermissionDenied")
    QUOTA_EXCEEDED = _waits("QuotaExceeded")
    GOOGLE_UNREACHABLE = _asks("GoogleUnreachable")
    UNEXPECTED_ANSWER = _asks("UnexpectedAnswer")
    CREDENTIALS_FAILED = _asks("GoogleCredentialsFailed")
    VPC_SERVICE_CONTROLS = _asks("VPCServiceControls")
    API_DISABLED = _asks("APIDisabled")
    BILLING_DISABLED = _asks("BillingDisabled")
    QUOTA_PROJECT_DENIED = _asks("QuotaProjectDenied")
    REMOVAL_THRESHOLD_EXCEEDED = _stalled("RemovalThresholdExceeded")

    DATABASE_UNREACHABLE = _asks("DatabaseUnreachable")
    DATABASE_LOGIN_FAILED = _asks("DatabaseLoginFailed")
    SET_ROLE_FAILED = _asks("SetRoleFailed")
    OWNER_ROLE_FAILED = _asks("OwnerRoleFailed")
    EVENT_TRIGGER_NOT_TRUSTED = _asks("EventTriggerNotTrusted")
    DATABASE_NOT_FOUND = _asks("DatabaseNotFound")
    USER_NOT_READY = _waits("UserNotReady")
    ROLE_NOT_FOUND = _asks("RoleNotFound")
    OBJECT_NOT_FOUND = _asks("ObjectNotFound")
    UNREACHABLE_OWNER = _asks("UnreachableOwner")
    NOT_CONVERGING = _asks("NotConverging")
    REVOKE_BLOCKED = _stalled("RevokeBlocked")
    READ_ONLY = _asks("ReadOnly")
    PLANNED = _waits("Planned")
    PLAN_CHANGED = _asks("PlanChanged")
    TOO_MANY_GRANTEES = _stalled("TooManyGrantees")
    CONFLICTING_GRANT = _stalled("ConflictingGrant")

    DEPENDENT_GRANTS_EXIST = _waits("DependentGrantsExist")
    IN_USE = _waits("InUse")
    OWNS_OBJECTS = _stalled("OwnsObjects")
    DELETION_BLOCKED = _asks("DeletionBlocked")
    NETWORK_POLICY_REFUSED = _stalled("NetworkPolicyRefused")
    INTERNAL_ERROR = _asks("InternalError")

    def __str__(self) -> str:
        return self.value.text

    @property
    def standing(self) -> Standing:
        """What the reason says about the future."""
        return self.value.standing

    @property
    def needs_a_person(self) -> bool:
        """Whether somebody must do something, so that an Event about it is a Warning."""
        return self.value.asks


CHANGES: Mapping[str, bool] = {
    "Approved": False,
    "Bound": False,
    "Created": False,
    "Deleted": False,
    "DriftCorrected": False,
    "ForceRemoved": True,
    "GivenUp": True,
    "Granted": False,
    "GroupRoleAdvised": False,
    "LeftBehind": True,
    "NetworkPolicyRefused": True,
    "ProxyMissing": True,
    "Reassigned": False,
    "Released": False,
    "RetainNotAllowed": True,
    "Revoked": False,
    "Succeeded": False,
    "UserLeft": True,
}
"""Reasons of Events that are no condition's: what was done, and whether somebody must look at it. A test knows all."""


def is_warning(reason: str) -> bool:
    """Whether an Event of this reason is a Warning: it needs a person. What goes on by itself is Normal."""
    known = next((each for each in Reason if str(each) == reason), None)
    return known.needs_a_person if known is not None else CHANGES.get(reason, False)
