"""The definitions of our own kinds: which are there, which are being deleted, and their last objects."""

from dataclasses import dataclass

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.cluster.rest import JSON
from cloudsql_iam_operator.api.names import FINALIZER, KINDS, Kind


@dataclass(frozen=True, slots=True)
class Definition:
    """A definition of one of our kinds; one that is deleted and made again has another uid."""

    kind: Kind
    uid: str
    going: bool


class Definitions:
    """What the cluster knows of our kinds. Safe to share between threads; each call may raise NotYet."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def all(self) -> tuple[Definition, ...]:
        """The definitions that there are, those that are being deleted included."""
        bodies = [(kind, self._cluster.definition(kind)) for kind in KINDS]
        return tuple(
            Definition(kind, body["metadata"]["uid"], "deletionTimestamp" in body["metadata"])
            for kind, body in bodies
            if body is not None
        )

    def held(self, kind: Kind) -> list[JSON]:
        """Objects of the kind that are being deleted and carry our finalizer."""
        return [body for body in self._cluster.list(kind) if _is_held(body["metadata"])]


def _is_held(metadata: JSON) -> bool:
    return "deletionTimestamp" in metadata and FINALIZER in metadata.get("finalizers", ())
