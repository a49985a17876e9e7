"""What one object needs of another: the record it holds, the instance it names, the tenant it belongs to."""

import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.parsing.objects import InvalidObject
from cloudsql_iam_operator.core.access.tenants import Tenant
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.runtime.registry import Live, Parsed, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads

CLUSTER_SECONDS = 60.0

S = TypeVar("S", bound=Parsed)


def readable(live: Live, kind: type[S]) -> S:
    """The record that an object holds.

    Raises:
        Refused: it cannot be read.
    """
    if isinstance(live.spec, InvalidObject):
        raise Refused(Reason.INVALID_SPEC, str(live.spec))
    if not isinstance(live.spec, kind):
        raise TypeError(f"{live.key} was read as {type(live.spec).__name__}")
    return live.spec


def instance_named(registry: Registry, name: str) -> CloudSQLInstance:
    """The CloudSQLInstance that an object names, when it may be used.

    Raises:
        NotYet: it does not exist, cannot be read, is suspended or is being deleted.
    """
    live = registry.instance(name)
    if live is None:
        raise NotYet(Reason.INSTANCE_NOT_FOUND, f"there is no CloudSQLInstance {name}: create it, or correct the name")
    try:
        spec = readable(live, CloudSQLInstance)
    except Refused as refused:
        text = f"CloudSQLInstance {name} cannot be used: {refused.message}"
        raise NotYet(Reason.INSTANCE_NOT_READY, text) from refused
    if spec.suspend:
        raise NotYet(Reason.INSTANCE_SUSPENDED, f"CloudSQLInstance {name} is suspended, and so is all that names it")
    return spec


def lays_claim(live: Live) -> bool:
    """Whether a user or grant has a say about others: it is let in, or something is recorded that it owns.

    What a stranger declares, and was refused, holds no name and no instance.
    """
    return live.has_say or (live.key.kind == USER.name and live.record.owns_anything)


async def tenant_of(cluster: Cluster, threads: Threads, namespace: str) -> Tenant:
    """A namespace as access rules see it, read once for all its objects that are looked at together.

    Raises:
        NotYet: the API server did not answer; nothing is decided without the labels.
    """
    labels = await threads.read(cluster.namespace_labels, namespace, timeout=CLUSTER_SECONDS)
    return Tenant(namespace, labels or {}, exists=labels is not None)


def uid_of(body: Mapping[str, Any]) -> str:
    """The uid in an object's body."""
    return str(body["metadata"]["uid"])


def key_of(body: Mapping[str, Any]) -> Key:
    """The key of an object's body."""
    metadata = body["metadata"]
    kind, namespace = body["kind"], metadata.get("namespace") or ""
    return Key(sys.intern(kind), sys.intern(namespace), metadata["name"])  # thousands have these in common
