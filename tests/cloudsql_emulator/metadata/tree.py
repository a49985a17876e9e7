"""What a metadata server holds, as folders of values, and the forms in which it is read; who may read is in `server`.

Source: "About VM metadata", "Query VM metadata": listings, recursive=true, alt=json and alt=text
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Union

Value = str | int | Sequence[str]
Folder = Mapping[str, Union[Value, "Folder"]]
Node = Value | Folder

_KEPT_NAMES = "attributes"
"""A folder whose names are its owner's, and are not changed in JSON."""


def found(tree: Folder, path: str) -> Value | Folder | None:
    """What is at a path such as `instance/zone`; "" is the whole tree, None means nothing."""
    node: Value | Folder = tree
    for name in [part for part in path.split("/") if part]:
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def read(node: Value | Folder, *, recursive: bool, form: str) -> tuple[str, bool]:
    """A value or folder as text, and whether that is JSON. `form` is `json`, `text` or "" for what is usual."""
    if isinstance(node, Mapping) and not recursive:
        return "".join(f"{name}/\n" if isinstance(each, Mapping) else f"{name}\n" for name, each in node.items()), False
    if form == "json" or (isinstance(node, Mapping) and form != "text"):
        return json.dumps(_json(node)), True
    if isinstance(node, Mapping):
        return "".join(f"{path} {value}\n" for path, value in _lines(node)), False
    return _text(node), False


def _json(node: Value | Folder, *, kept: bool = False) -> object:
    if not isinstance(node, Mapping):
        return node
    return {name if kept else _camel(name): _json(each, kept=name == _KEPT_NAMES) for name, each in node.items()}


def _camel(name: str) -> str:
    return name if "@" in name else re.sub(r"[-_](\w)", lambda part: part[1].upper(), name)


def _text(value: Value) -> str:
    return str(value) if isinstance(value, (str, int)) else "".join(f"{each}\n" for each in value)


def _lines(folder: Folder, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, each in folder.items():
        if isinstance(each, Mapping):
            yield from _lines(each, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", _text(each).rstrip("\n")
