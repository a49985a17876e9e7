"""Names that are API: group, kinds, annotation domain, finalizer. Renaming any of them breaks users."""

from dataclasses import dataclass
from typing import NamedTuple

GROUP = "iam.cloudsql.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FINALIZER = f"{GROUP}/finalizer"
FIELD_MANAGER = "cloudsql-iam-operator"

ALLOW_REMOVALS = f"{GROUP}/allow-removals"
"""Annotation on a CloudSQLInstance: the hash of the removals in its status that may be made, once."""

APPROVE = f"{GROUP}/approve"
"""Annotation on a DatabaseGrant with mode Plan: the hash of the plan that may be executed, once."""

GIVE_UP = f"{GROUP}/give-up"
"""Annotation on a DatabaseGrant that is being deleted: "true" ends the deletion and leaves what it granted."""

FORCE_REMOVE = f"{GROUP}/force-remove"
"""Annotation on a CloudSQLIAMUser that is being deleted: "true" ends that once its bindings are released."""

PLANS = "cloudsql-iam-operator-plans"
"""The ConfigMap of a namespace that holds plans too long for a status; the operator may write no other."""

WORKLOAD_IDENTITY_ANNOTATION = "iam.gke.io/gcp-service-account"
"""GKE's annotation on a Kubernetes ServiceAccount: the Google service account that its pods act as."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the custom resource kinds: how it is named in manifests, paths and messages."""

    name: str
    plural: str
    short: str
    namespaced: bool


INSTANCE = Kind("CloudSQLInstance", "cloudsqlinstances", "csqli", namespaced=False)
USER = Kind("CloudSQLIAMUser", "cloudsqliamusers", "csqlu", namespaced=True)
GRANT = Kind("DatabaseGrant", "databasegrants", "dbg", namespaced=True)
KINDS = (INSTANCE, USER, GRANT)


class Key(NamedTuple):
    """Which object: kind, namespace ("" when cluster-scoped) and name. A tuple, for thousands are looked up by it.

    `uid` is that of an object which vanished before what it caused was taken back; "" for those that exist.
    """

    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        gone = f" (gone, uid {self.uid})" if self.uid else ""
        return f"{self.kind} {where}{self.name}{gone}"
