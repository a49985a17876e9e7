"""What of an object's body is remembered, for there may be thousands. What it means is read elsewhere."""

import functools
from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.names import GROUP

_METADATA = frozenset(
    {
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "finalizers",
        "generation",
        "resourceVersion",
    }
)
_CONDITIONS = 4096
"""Different conditions that are shared. Most objects stand alike, and came to stand so in the same second."""


def remembered(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without what nobody asks for later: the spec but for `instanceRef`, labels, others' annotations.

    Objects whose conditions are equal share them: what is returned must not be changed.
    """
    kept = {"kind": body["kind"], "metadata": _metadata(body["metadata"]), "spec": _reference(declared_instance(body))}
    status = body.get("status") or {}
    if not status.get("conditions"):
        return {**kept, "status": status}
    conditions = [_shared(tuple(condition.items())) for condition in status["conditions"]]
    return {**kept, "status": {**status, "conditions": conditions}}


def declared_instance(body: Mapping[str, Any]) -> str:
    """Name of the CloudSQLInstance that a body names, whatever else in it cannot be read; "" without one."""
    spec = body.get("spec")
    reference = spec.get("instanceRef") if isinstance(spec, Mapping) else None
    name = reference.get("name") if isinstance(reference, Mapping) else None
    return name if isinstance(name, str) else ""


def _metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in metadata.items() if name in _METADATA}
    annotations = metadata.get("annotations") or {}
    ours = {name: value for name, value in annotations.items() if name.partition("/")[0].endswith(GROUP)}
    return {**kept, "annotations": ours} if ours else kept


@functools.lru_cache
def _reference(instance: str) -> dict[str, Any]:
    return {"instanceRef": {"name": instance}}


@functools.lru_cache(_CONDITIONS)
def _shared(fields: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return dict(fields)
