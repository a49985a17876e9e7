"""Manifests of our kinds, read from files, directories or standard input. What they mean is not known here."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from cloudsql_iam_operator.adapters.cluster.documents import BadManifest, bodies, texts
from cloudsql_iam_operator.adapters.cluster.rest import JSON
from cloudsql_iam_operator.api.names import API_VERSION, GROUP, KINDS
from cloudsql_iam_operator.api.parsing.texts import printed

__all__ = ["BadManifest", "is_ours", "manifests", "objects", "placed"]

_NAMESPACED = {kind.name: kind.namespaced for kind in KINDS}

NEAR = 0.8
"""How alike another group must be to be taken for ours misspelt; others have kinds of the same names."""


def manifests(sources: Sequence[str], namespace: str) -> list[JSON]:
    """Objects of our kinds in these files and directories, in the order of their names; other kinds are left out.

    Of a directory, its `.yaml`, `.yml` and `.json` files, not those of directories within. Objects that name no
    namespace are in `namespace`.

    Raises:
        BadManifest: a source is not there, or is no YAML of objects.
    """
    return [
        placed(body, namespace, where)
        for where, text in texts(sources)
        for document in bodies(where, text)
        if document is not None
        for body in objects(document, where)
        if is_ours(body, where)
    ]


def objects(document: Any, where: str) -> Iterator[JSON]:
    """The objects of a document: itself, or the items of a list.

    Raises:
        BadManifest: it is none.
    """
    if not isinstance(document, dict):
        raise BadManifest(f"{where} holds something that is no object: each document needs apiVersion, kind, metadata")
    if document.get("kind") != "List":
        yield document
        return
    items = document.get("items") or []
    if not isinstance(items, list):
        raise BadManifest(f"{where} holds a List whose items are no list")
    for item in items:
        yield from objects(item, where)


def is_ours(body: JSON, where: str) -> bool:
    """Whether an object is of our kinds.

    Raises:
        BadManifest: it is meant to be, by its group or nearly so, and is misspelt.
    """
    version, kind = str(body.get("apiVersion") or ""), str(body.get("kind") or "")
    if version == API_VERSION and kind in _NAMESPACED:
        return True
    if version == API_VERSION:
        near = get_close_matches(kind, sorted(_NAMESPACED), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(_NAMESPACED))}"
        raise BadManifest(f"{where} holds a {printed(kind)} of {API_VERSION}, which is no kind of it; {hint}")
    group = version.partition("/")[0]
    if group == GROUP or (kind in _NAMESPACED and get_close_matches(group, [GROUP], cutoff=NEAR)):
        raise BadManifest(
            f"{where} holds a {printed(kind)} of {printed(version)}; did you mean apiVersion: {API_VERSION}?"
        )
    return False


def placed(body: JSON, namespace: str, where: str) -> JSON:
    """The object in `namespace`, if it needs one and names none.

    Raises:
        BadManifest: it has no name.
    """
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise BadManifest(f"{where} holds a {body['kind']} without metadata.name")
    if not _NAMESPACED.get(body["kind"], True):
        return body
    return {**body, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}
