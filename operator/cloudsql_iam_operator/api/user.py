"""CloudSQLIAMUser: one principal on one instance, which is an IAM binding and a database user."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cloudsql_iam_operator.api.metadata import Metadata


@dataclass(frozen=True, slots=True)
class KubernetesServiceAccount:
    """A ServiceAccount of the user's own namespace; its annotation names the Google account."""

    name: str


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A Google service account, by full e-mail, lower case."""

    email: str


@dataclass(frozen=True, slots=True)
class User:
    """A person, by e-mail, lower case."""

    email: str


@dataclass(frozen=True, slots=True)
class Group:
    """A Google group, by e-mail, lower case."""

    email: str


@dataclass(frozen=True, slots=True)
class WorkforceIdentity:
    """A workforce pool subject: `principal://iam.googleapis.com/locations/global/workforcePools/POOL/subject/ID`."""

    member: str


Principal = KubernetesServiceAccount | ServiceAccount | User | Group | WorkforceIdentity


class AdoptionPolicy(StrEnum):
    """Whether a database user that exists already may be taken over."""

    NEVER = "Never"
    IF_EXISTS = "IfExists"
    REQUIRED = "Required"


class UserDeletion(StrEnum):
    """What deleting the object takes away: everything, all but the database user, or nothing."""

    DELETE = "Delete"
    REVOKE_ONLY = "RevokeOnly"
    ABANDON = "Abandon"


class OwnedObjects(StrEnum):
    """What to do on deletion when the database user owns objects."""

    BLOCK = "Block"
    REASSIGN = "Reassign"
    ABANDON = "Abandon"


class UserMode(StrEnum):
    """Reconcile writes; Observe only reports."""

    RECONCILE = "Reconcile"
    OBSERVE = "Observe"


@dataclass(frozen=True, slots=True)
class CloudSQLIAMUser:
    """A parsed CloudSQLIAMUser."""

    metadata: Metadata
    instance: str
    principal: Principal
    database_roles: tuple[str, ...]
    expires_at: datetime | None
    adoption_policy: AdoptionPolicy
    deletion_policy: UserDeletion
    on_owned_objects: OwnedObjects
    reassign_owned_to: str
    mode: UserMode
    suspend: bool
