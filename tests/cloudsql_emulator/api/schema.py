"""Whether JSON is what a discovery document says; documents are read in `discovery`."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
}


@dataclass(frozen=True, slots=True)
class Schema:
    """One named type of a discovery document, with the others it refers to."""

    name: str
    types: Mapping[str, Any]

    def problems(self, value: object) -> list[str]:
        """What is wrong with a value, each with the path to it; empty when all is well."""
        return list(_problems({"$ref": self.name}, value, self.name, self.types))

    def unknown_names(self, value: object) -> list[str]:
        """Paths of fields that the type does not have."""
        unknown = [each.removesuffix(_UNKNOWN) for each in self.problems(value) if each.endswith(_UNKNOWN)]
        return [each.removeprefix(f"{self.name}.") for each in unknown]


_UNKNOWN = ": unknown field"


_NEWER_VALUES = ("CLOUD_IAM_GROUP_WORKFORCE_IDENTITY",)
"""Values that the discovery document of the locked library does not have yet: GUESS, its name is by analogy."""


def _problems(schema: Mapping[str, Any], value: object, path: str, types: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        schema = types[schema["$ref"]]
    kind = schema.get("type", "any")
    if kind == "any":
        return
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {type(value).__name__} instead of {kind}"
    elif isinstance(value, dict):
        yield from _object_problems(schema, value, path, types)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _problems(schema["items"], item, f"{path}[{position}]", types)
    elif isinstance(value, str):
        yield from _string_problems(schema, value, path)


def _object_problems(
    schema: Mapping[str, Any], value: Mapping[str, Any], path: str, types: Mapping[str, Any]
) -> Iterator[str]:
    fields, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        expected = fields.get(name, others)
        if expected is None:
            yield f"{path}.{name}{_UNKNOWN}"
        else:
            yield from _problems(expected, item, f"{path}.{name}", types)


def _string_problems(schema: Mapping[str, Any], value: str, path: str) -> Iterator[str]:
    if "enum" in schema and value not in {*schema["enum"], *_NEWER_VALUES}:
        yield f"{path}: {value!r} is none of the known values"
    form = schema.get("format", "")
    if form in {"int64", "uint64"} and not value.lstrip("-").isdecimal():
        yield f"{path}: {value!r} is no whole number"
    if form.endswith("datetime") and not _is_datetime(value):
        yield f"{path}: {value!r} is no time"


def _is_datetime(value: str) -> bool:
    try:
        return dt.datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
