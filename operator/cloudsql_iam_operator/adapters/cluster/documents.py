"""YAML documents of files, directories or standard input, with the text of each. What they mean is not known here."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STDIN = "-"
SUFFIXES = (".yaml", ".yml", ".json")

_DEEPEST = 64
"""Collections within each other; our kinds have ten."""


_TEXT = "tag:yaml.org,2002:str"
_TAGS = (None, "!", _TEXT, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
"""What may be said of a value; all others either mean what is no JSON, or say again what it is."""

_NAMES = (_TEXT, "tag:yaml.org,2002:merge")
_NAMES_TOO = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
"""What a name of a member is, and what becomes one."""


class BadManifest(ValueError):
    """A file that cannot be read as manifests; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document: the name of its source, its text as written, from `---` on, and what it says; None for nothing.

    The texts of all documents of a source, one after the other, are the source.
    """

    source: str
    text: str
    body: Any


class Loader(yaml.SafeLoader):
    """PyYAML's safe one without tags, and without aliases, by which a short text stands for one without end.

    Members have names that are texts, as in JSON.
    """

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        """The next node, which stands for itself and is not too deep."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call] # PyYAML's stubs
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem=f"*{event.anchor} is an alias: write it out", problem_mark=_begin(event))
        tag = getattr(event, "tag", None)
        if tag not in _TAGS:
            raise yaml.MarkedYAMLError(problem=f"{tag} is a tag: leave it out", problem_mark=_begin(event))
        if self.depth >= _DEEPEST:
            problem = f"more than {_DEEPEST} lists and maps are within each other"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=_begin(event))
        self.depth += 1
        try:
            node = super().compose_node(parent, index)
        finally:
            self.depth -= 1
        return self._name(node) if isinstance(parent, yaml.MappingNode) and index is None else node

    def _name(self, node: Any) -> Any:
        """The name of a member as kubectl writes it: `on` is "true", and 1 is "1"."""
        if node.tag in _NAMES:
            return node
        if node.tag not in _NAMES_TOO:
            raise yaml.MarkedYAMLError(problem="that is no name of a member: quote it", problem_mark=_begin(node))
        return yaml.ScalarNode(_TEXT, json.dumps(self.construct_object(node)), node.start_mark, node.end_mark)


class PlainLoader(Loader):
    """The same that leaves dates as the texts that they are, as Kubernetes does."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in Loader.yaml_implicit_resolvers.items()
}


def texts(sources: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Names and contents of files, in the order of their names. Of a directory, its `.yaml`, `.yml` and `.json` files.

    Raises:
        BadManifest: one cannot be read.
    """
    for source in sources:
        if source == STDIN:
            yield "standard input", sys.stdin.read()
            continue
        path = Path(source)
        files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
        for file in files:
            try:
                yield str(file), file.read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise BadManifest(f"{file} cannot be read: {error}") from error


def documents(sources: Sequence[str]) -> list[Document]:
    """Documents in the order in which they stand, empty ones too.

    Raises:
        BadManifest: a source is not there, or is no YAML.
    """
    return [document for where, text in texts(sources) for document in _cut(where, text)]


def bodies(where: str, text: str, loader: type[Loader] = Loader) -> list[Any]:
    """What each document of the text says; None for an empty one.

    Raises:
        BadManifest: it is no YAML.
    """
    try:
        return list(yaml.load_all(text, loader))
    except (yaml.YAMLError, ValueError) as error:
        raise BadManifest(f"{where} is no YAML: {' '.join(str(error).split())}") from error


def _cut(where: str, text: str) -> Iterator[Document]:
    found = bodies(where, text, PlainLoader)
    events = (event for event in yaml.parse(text, yaml.SafeLoader) if isinstance(event, yaml.DocumentStartEvent))
    starts = [_begin(event).index for event in events]
    if not starts:
        yield Document(where, text, None)
        return
    ends = [*starts[1:], len(text)]
    for start, end, body in zip([0, *starts[1:]], ends, found, strict=True):
        yield Document(where, text[start:end], body)


def _begin(event: Any) -> yaml.Mark:
    """Where in the text it stands."""
    mark: yaml.Mark = event.start_mark
    return mark
