"""Manifests of our kinds, read from files, directories or standard input. What they mean is not known here."""

import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from cloudsql_iam_operator.adapters.cluster.rest import JSON
from cloudsql_iam_operator.api.names import API_VERSION, GROUP, KINDS
from cloudsql_iam_operator.api.parsing.texts import printed

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")
_NAMESPACED = {kind.name: kind.namespaced for kind in KINDS}


NEAR = 0.8
"""How alike another group must be to be taken for ours misspelt; others have kinds of the same names."""

_DEEPEST = 64
"""Collections within each other; our kinds have ten."""


class BadManifest(ValueError):
    """A file that cannot be read as manifests; the text names it and says why."""


def manifests(sources: Sequence[str], namespace: str) -> list[JSON]:
    """Objects of our kinds in these files and directories, in the order of their names; other kinds are left out.

    Of a directory, its `.yaml`, `.yml` and `.json` files, not those of directories within. Objects that name no
    namespace are in `namespace`.

    Raises:
        BadManifest: a source is not there, or is no YAML of objects.
    """
    return [
        _placed(body, namespace, where)
        for source in sources
        for where, text in _texts(source)
        for document in _documents(where, text)
        for body in _objects(document, where)
        if _is_ours(body, where)
    ]


def _is_ours(body: JSON, where: str) -> bool:
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


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == STDIN:
        yield "standard input", sys.stdin.read()
        return
    path = Path(source)
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    for file in files:
        try:
            yield str(file), file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadManifest(f"{file} cannot be read: {error}") from error


class _Loader(yaml.SafeLoader):
    """PyYAML's safe one without aliases, by which a short text stands for a large object, or for one without end."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node, which stands for itself and is not too deep."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # PyYAML's stubs
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem=f"*{event.anchor} is an alias: write it out", problem_mark=_begin(event))
        if self.depth >= _DEEPEST:
            problem = f"more than {_DEEPEST} lists and maps are within each other"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=_begin(event))
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _begin(event: Any) -> yaml.Mark:
    """Where in the text it stands."""
    mark: yaml.Mark = event.start_mark
    return mark


def _documents(where: str, text: str) -> list[Any]:
    try:
        return [document for document in yaml.load_all(text, _Loader) if document is not None]
    except yaml.YAMLError as error:
        raise BadManifest(f"{where} is no YAML: {' '.join(str(error).split())}") from error


def _objects(document: Any, where: str) -> list[JSON]:
    if not isinstance(document, dict):
        raise BadManifest(f"{where} holds something that is no object: each document needs apiVersion, kind, metadata")
    if document.get("kind") == "List":
        items = document.get("items") or []
        if not isinstance(items, list):
            raise BadManifest(f"{where} holds a List whose items are no list")
        return [body for item in items for body in _objects(item, where)]
    return [document]


def _placed(body: JSON, namespace: str, where: str) -> JSON:
    metadata = body.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise BadManifest(f"{where} holds a {body['kind']} without metadata.name")
    if not _NAMESPACED[body["kind"]]:
        return body
    return {**body, "metadata": {**metadata, "namespace": metadata.get("namespace") or namespace}}
