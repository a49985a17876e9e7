"""Google's methods as its discovery documents describe them: paths, parameters, scopes and types.

The documents are those that google-api-python-client carries. Paths are matched raw, before percent-decoding.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import googleapiclient.discovery_cache

from cloudsql_emulator.api.schema import Schema

APIS = (
    ("sqladmin", "v1"),
    ("sqladmin", "v1beta4"),
    ("cloudresourcemanager", "v1"),
    ("cloudresourcemanager", "v3"),
    ("iamcredentials", "v1"),
    ("iam", "v1"),
    ("serviceusage", "v1"),
)
"""Of methods with one path, the first API's is meant by those who name no host of Google's."""

_HOSTS = frozenset(f"{name}.googleapis.com" for name, _ in APIS)
_DOCUMENTS = Path(googleapiclient.discovery_cache.__file__).parent / "documents"
_MORE_SCOPES = {"iamcredentials": frozenset({"https://www.googleapis.com/auth/iam"})}
"""Taken by Google and sent by google-auth for the source of an impersonation, though the document says nothing.

Source: IAM Service Account Credentials API, "Authorization scopes"; google-auth, impersonated_credentials
"""
_VARIABLE = re.compile(r"\{(\+?)([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Method:
    """One method of one API; `id` is the same in all versions, such as sql.users.insert."""

    id: str
    service: str
    version: str
    verb: str
    pattern: re.Pattern[str]
    query: frozenset[str]
    scopes: frozenset[str]
    request: Schema | None
    response: Schema | None

    @property
    def host(self) -> str:
        """The public host name of the API."""
        return f"{self.service}.googleapis.com"


@dataclass(frozen=True, slots=True)
class Match:
    """A method and the decoded parameters of its path."""

    method: Method
    path: Mapping[str, str]


class Methods:
    """The methods that are served, by their ids."""

    def __init__(self, served: frozenset[str]) -> None:
        described = [method for name, version in APIS for method in _methods(name, version)]
        # custom verbs such as `…:getIamPolicy` before the plain resource that would swallow them
        described.sort(key=lambda method: ":" not in method.pattern.pattern.rpartition("/")[2])
        self._served = [method for method in described if method.id in served]
        self._others = [method for method in described if method.id not in served]
        missing = served - {method.id for method in described}
        if missing:
            raise ValueError(f"no discovery document describes {', '.join(sorted(missing))}")

    def find(self, verb: str, raw_path: str, host: str = "") -> Match | None:
        """The served method behind a request line, None when there is none; one of Google's hosts has its own only."""
        served = [method for method in self._served if host not in _HOSTS or method.host == host]
        return _find(served, verb, raw_path)

    def unserved(self, verb: str, raw_path: str) -> str | None:
        """The id of a method that Google has there and this emulator has not."""
        found = _find(self._others, verb, raw_path)
        return found.method.id if found else None


def _find(methods: list[Method], verb: str, raw_path: str) -> Match | None:
    for method in methods:
        if method.verb == verb and (found := method.pattern.fullmatch(raw_path)):
            return Match(method, {name: unquote(value) for name, value in found.groupdict().items()})
    return None


@functools.cache
def _methods(name: str, version: str) -> tuple[Method, ...]:
    document = json.loads((_DOCUMENTS / f"{name}.{version}.json").read_text())
    return tuple(_method(document, described) for described in _described(document))


def _described(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from node.get("methods", {}).values()
    for child in node.get("resources", {}).values():
        yield from _described(child)


def _method(document: Mapping[str, Any], described: Mapping[str, Any]) -> Method:
    parameters = described.get("parameters", {})
    in_query = {name for name, parameter in parameters.items() if parameter["location"] == "query"}
    return Method(
        id=described["id"],
        service=document["name"],
        version=document["version"],
        verb=described["httpMethod"],
        pattern=_pattern(document["servicePath"] + described["path"], parameters),
        query=frozenset(in_query | set(document.get("parameters", {}))),
        scopes=frozenset(described.get("scopes", ())) | _MORE_SCOPES.get(document["name"], frozenset()),
        request=_schema(document, described.get("request")),
        response=_schema(document, described.get("response")),
    )


def _schema(document: Mapping[str, Any], reference: Mapping[str, Any] | None) -> Schema | None:
    return Schema(reference["$ref"], document["schemas"]) if reference else None


def _pattern(template: str, parameters: Mapping[str, Any]) -> re.Pattern[str]:
    parts, position = ["/"], 0
    for variable in _VARIABLE.finditer(template):
        parts.append(re.escape(template[position : variable.start()]))
        told = parameters[variable[2]].get("pattern", "").removeprefix("^").removesuffix("$")
        parts.append(f"(?P<{variable[2]}>{told or '[^/]+'})")
        position = variable.end()
    return re.compile("".join([*parts, re.escape(template[position:])]))
