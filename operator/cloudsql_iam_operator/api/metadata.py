"""The part of every object that Kubernetes owns."""

from dataclasses import dataclass
from datetime import datetime

from cloudsql_iam_operator.api.names import Key


@dataclass(frozen=True, slots=True)
class Metadata:
    """Identity and age of an object as last seen.

    `requested_at` echoes the annotation `reconcile.iam.cloudsql.dev/requestedAt`; "" when absent.
    """

    key: Key
    uid: str
    generation: int
    created: datetime
    deleting: bool = False
    resource_version: str = ""
    requested_at: str = ""
