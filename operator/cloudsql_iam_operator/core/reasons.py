"""Every reason a condition may give: API, never renamed. What each means to a person is in docs/reasons.md."""

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


def _holds(text: str) -> _Row:
    return _Row(text, Standing.HOLDS)


def _waits(text: str) -> _Row:
    return _Row(text, Standing.WAITS)


def _stalled(text: str) -> _Row:
    return _Row(text, Standing.STALLED)


class Reason(Enum):
    """A condition's reason; the value carries the CamelCase text and its standing."""

    SUCCEEDED = _holds("Succeeded")
    ADOPTED = _holds("Adopted")
    EXPIRED = _holds("Expired")
    DRIFT_CORRECTED = _holds("DriftCorrected")
    OBSERVING = _holds("Observing")
    SUSPENDED = _waits("Suspended")
    PROGRESSING = _waits("Progressing")
    PROGRESSING_WITH_RETRY = _waits("ProgressingWithRetry")

    INSTANCE_NOT_FOUND = _waits("InstanceNotFound")
    INSTANCE_NOT_READY = _waits("InstanceNotReady")
    INSTANCE_STOPPED = _waits("InstanceStopped")
    INSTANCE_SUSPENDED = _waits("InstanceSuspended")
    OPERATION_IN_PROGRESS = _waits("OperationInProgress")
    OPERATION_FAILED = _waits("OperationFailed")
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

    SERVICE_ACCOUNT_NOT_FOUND = _waits("ServiceAccountNotFound")
    SERVICE_ACCOUNT_NOT_ANNOTATED = _waits("ServiceAccountNotAnnotated")
    WORKLOAD_IDENTITY_MISMATCH = _stalled("WorkloadIdentityMismatch")
    PRINCIPAL_NOT_FOUND = _stalled("PrincipalNotFound")
    USERNAME_TOO_LONG = _stalled("UsernameTooLong")
    USERNAME_COLLISION = _stalled("UsernameCollision")
    INVALID_SPEC = _stalled("InvalidSpec")
    NOT_IMPLEMENTED = _stalled("NotImplemented")

    EXTERNAL_RESOURCE_EXISTS = _stalled("ExternalResourceExists")
    ADOPTION_TARGET_MISSING = _waits("AdoptionTargetMissing")
    MANAGED_BY_OTHER = _stalled("ManagedByOther")
    USER_TYPE_MISMATCH = _stalled("UserTypeMismatch")

    IAM_BINDING_MISSING = _waits("IAMBindingMissing")
    IAM_CONFLICT = _waits("IAMConflict")
    IAM_POLICY_REFUSED = _waits("IAMPolicyRefused")
    IAM_MEMBER_REFUSED = _stalled("IAMMemberRefused")
    IAM_POLICY_FULL = _stalled("IAMPolicyFull")
    IAM_PERMISSION_DENIED = _waits("IAMPermissionDenied")
    ADMIN_PERMISSION_DENIED = _waits("AdminPermissionDenied")
    SQL_PERMISSION_DENIED = _waits("SQLPermissionDenied")
    QUOTA_EXCEEDED = _waits("QuotaExceeded")
    GOOGLE_UNREACHABLE = _waits("GoogleUnreachable")
    UNEXPECTED_ANSWER = _waits("UnexpectedAnswer")
    CREDENTIALS_FAILED = _waits("GoogleCredentialsFailed")
    VPC_SERVICE_CONTROLS = _waits("VPCServiceControls")
    API_DISABLED = _waits("APIDisabled")
    BILLING_DISABLED = _waits("BillingDisabled")
    QUOTA_PROJECT_DENIED = _waits("QuotaProjectDenied")
    REMOVAL_THRESHOLD_EXCEEDED = _stalled("RemovalThresholdExceeded")

    DATABASE_UNREACHABLE = _waits("DatabaseUnreachable")
    DATABASE_LOGIN_FAILED = _waits("DatabaseLoginFailed")
    SET_ROLE_FAILED = _waits("SetRoleFailed")
    OWNER_ROLE_FAILED = _waits("OwnerRoleFailed")
    EVENT_TRIGGER_NOT_TRUSTED = _waits("EventTriggerNotTrusted")
    DATABASE_NOT_FOUND = _waits("DatabaseNotFound")
    USER_NOT_READY = _waits("UserNotReady")
    ROLE_NOT_FOUND = _waits("RoleNotFound")
    OBJECT_NOT_FOUND = _waits("ObjectNotFound")
    UNREACHABLE_OWNER = _waits("UnreachableOwner")
    NOT_CONVERGING = _waits("NotConverging")
    REVOKE_BLOCKED = _stalled("RevokeBlocked")
    READ_ONLY = _waits("ReadOnly")
    PLANNED = _waits("Planned")
    PLAN_CHANGED = _waits("PlanChanged")
    TOO_MANY_GRANTEES = _stalled("TooManyGrantees")
    CONFLICTING_GRANT = _stalled("ConflictingGrant")

    DEPENDENT_GRANTS_EXIST = _waits("DependentGrantsExist")
    IN_USE = _waits("InUse")
    OWNS_OBJECTS = _stalled("OwnsObjects")
    DELETION_BLOCKED = _waits("DeletionBlocked")
    INTERNAL_ERROR = _waits("InternalError")

    def __str__(self) -> str:
        return self.value.text

    @property
    def standing(self) -> Standing:
        """What the reason says about the future."""
        return self.value.standing
