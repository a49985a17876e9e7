"""CloudSQLInstance: which instance, how the operator logs in, and who may use it for what."""

from dataclasses import dataclass
from enum import StrEnum

from cloudsql_iam_operator.api.metadata import Metadata


@dataclass(frozen=True, slots=True, order=True)
class ConnectionName:
    """`project:region:instance`; the project may be domain-scoped (`example.com:project`)."""

    project: str
    region: str
    instance: str

    def __str__(self) -> str:
        return f"{self.project}:{self.region}:{self.instance}"


class IPType(StrEnum):
    """Which address of the instance is dialled."""

    PUBLIC = "PUBLIC"
    PRIVATE = "PRIVATE"
    PSC = "PSC"


class BindingMode(StrEnum):
    """Member: the operator adds IAM members. External: someone else binds, the operator only reads."""

    MEMBER = "Member"
    EXTERNAL = "External"


class ConditionMode(StrEnum):
    """Whether IAM bindings are narrowed to the instance by an IAM condition."""

    PER_INSTANCE = "PerInstance"
    NONE = "None"


class AccountProof(StrEnum):
    """What a Kubernetes ServiceAccount must show before its Google account is believed.

    Verified: the account's IAM policy lists it as workloadIdentityUser. Annotated: its annotation is enough.
    """

    VERIFIED = "Verified"
    ANNOTATED = "Annotated"
    NONE = "None"


class Withdrawal(StrEnum):
    """What happens to users and grants when the access rule that allowed them is gone."""

    REVOKE = "Revoke"
    RETAIN = "Retain"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A Secret of the operator's own namespace with keys `username` and `password`."""

    name: str


@dataclass(frozen=True, slots=True)
class DatabaseAdmin:
    """How the operator logs in to PostgreSQL: by IAM when `secret` is None.

    `set_role` is taken after connecting ("" for none); `owner_roles` may be acted as. `terminate_blockers`: sessions
    whose locks hold up a revocation may be ended.
    """

    secret: SecretRef | None
    ip_type: IPType
    set_role: str
    owner_roles: tuple[str, ...]
    terminate_blockers: bool = False


@dataclass(frozen=True, slots=True)
class Admin:
    """The operator's identity on this instance; `impersonate` is a service account e-mail, or ""."""

    impersonate: str
    database: DatabaseAdmin


@dataclass(frozen=True, slots=True)
class IAMSettings:
    """Which project roles a login needs, and whether the operator binds them.

    `max_removals` is how many members may be lost within ten minutes without consent, deletions included; None leaves
    deletions uncounted.
    """

    mode: BindingMode
    roles: tuple[str, ...]
    condition: ConditionMode
    max_removals: int | None = None


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One matchExpressions entry; matchLabels are read as `In` with one value."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceMatch:
    """Namespaces by name and by labels; both must hold when both are given, neither given matches nothing."""

    names: tuple[str, ...]
    selector: tuple[LabelRequirement, ...] | None


@dataclass(frozen=True, slots=True)
class PrincipalMatch:
    """Which principals a rule lets in. Patterns are anchored globs (`*`, `?`), matched lower-cased.

    Those of workforce identities are over the whole `principal://…`, name their pool in full, and case counts in them.
    """

    kubernetes_service_accounts: AccountProof
    service_accounts: tuple[str, ...]
    groups: tuple[str, ...]
    users: tuple[str, ...]
    workforce_identities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessRule:
    """One rule of `spec.access`. Empty tuples allow nothing of their kind.

    `max_expiry` is seconds, None when expiry is not bounded.
    """

    name: str
    namespaces: NamespaceMatch
    principals: PrincipalMatch
    databases: tuple[str, ...]
    schemas: tuple[str, ...]
    database_roles: tuple[str, ...]
    privileges: tuple[str, ...]
    allow_adoption: bool
    max_expiry: int | None
    allow_public: bool = False
    allow_grant_option: bool = False
    allow_exclusive: bool = False
    allow_retain: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class CloudSQLInstance:
    """A parsed CloudSQLInstance. `interval` is seconds between checks when nothing changes."""

    metadata: Metadata
    connection: ConnectionName
    admin: Admin
    iam: IAMSettings
    access: tuple[AccessRule, ...]
    on_access_withdrawn: Withdrawal
    interval: int
    suspend: bool
