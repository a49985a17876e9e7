"""Parsing what Kubernetes owns of every object. Fields that we have no use for are not read."""

import sys
from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import Key, Kind
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import shown
from cloudsql_iam_operator.api.parsing.times import instant_of


def parse_metadata(body: Mapping[str, Any], kind: Kind) -> Metadata:
    """Identity and age of an object as the API server hands it out.

    Raises:
        InvalidObject: it has no name, no namespace where its kind has one, or no creation time.
    """
    metadata = body.get("metadata")
    if not isinstance(metadata, Mapping):
        raise InvalidObject("metadata", f"must be an object, not {shown(metadata)}")
    created = instant_of(metadata.get("creationTimestamp"))
    if created is None:
        raise InvalidObject("metadata.creationTimestamp", "is missing; the API server sets it")
    generation = metadata.get("generation")
    annotations = metadata.get("annotations")
    return Metadata(
        key=_key(metadata, kind),
        uid=_text(metadata.get("uid")),
        generation=generation if isinstance(generation, int) else 0,
        created=created,
        deleting=metadata.get("deletionTimestamp") is not None,
        resource_version=_text(metadata.get("resourceVersion")),
        requested_at=_text(annotations.get(REQUESTED_AT)) if isinstance(annotations, Mapping) else "",
    )


def _key(metadata: Mapping[str, Any], kind: Kind) -> Key:
    name, namespace = _text(metadata.get("name")), _text(metadata.get("namespace"))
    if not name:
        raise InvalidObject("metadata.name", "is missing")
    if kind.namespaced and not namespace:
        raise InvalidObject("metadata.namespace", f"is missing; a {kind.name} lives in a namespace")
    return Key(kind.name, sys.intern(namespace) if kind.namespaced else "", name)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
