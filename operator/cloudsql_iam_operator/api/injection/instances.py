"""Instances that a pod names itself: `project:region:instance` or a DNS name, with what differs for each."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cloudsql_iam_operator.api.injection.values import FIRST_PORT, LAST_PORT, directory
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.texts import CONNECTION_NAME, Text, shown

MOST = 100
"""Instances of one pod."""

DNS_NAME = Text(
    "a DNS name",
    re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,30}[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?\.?"),
    253,
)
_FIELDS = ("name", "port", "ipType", "socket")
_FORMS = "write project:region:instance or a DNS name; several with commas, or a list of objects as JSON"


class Address(StrEnum):
    """Which address of an instance is dialled; `auto`: whichever Google lists first."""

    PUBLIC = "public"
    PRIVATE = "private"
    PSC = "psc"
    AUTO = "auto"


@dataclass(frozen=True, slots=True)
class InstanceWish:
    """An instance by its name, and what differs for it: None and "" when not said."""

    name: str
    port: int | None = None
    address: Address | None = None
    socket: str = ""


def is_dns_name(name: str) -> bool:
    """Whether an instance is named by a DNS name, which the proxy looks up."""
    return ":" not in name


def instances_named(annotation: str, value: str) -> tuple[InstanceWish, ...]:
    """The instances that the value lists, each once.

    Raises:
        InvalidObject: one is none: characters that carry options of the proxy (`?`, blanks) are none of a name.
    """
    listed = _objects(annotation, value) if value.startswith("[") else [{"name": w.strip()} for w in value.split(",")]
    if not 0 < len(listed) <= MOST:
        raise InvalidObject(annotation, f"lists {len(listed)} instances; write from 1 to {MOST}")
    wishes = tuple(_wish(annotation, one) for one in listed)
    if len({wish.name for wish in wishes}) < len(wishes):
        raise InvalidObject(annotation, f"is {shown(value)}; it names an instance twice")
    return wishes


def _objects(annotation: str, value: str) -> list[Any]:
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise InvalidObject(annotation, f"is {shown(value)}; it is no JSON: {_FORMS}") from error
    assert isinstance(listed, list)  # what begins with a bracket is nothing else
    return [{"name": one} if isinstance(one, str) else one for one in listed]


def _wish(annotation: str, one: object) -> InstanceWish:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise InvalidObject(annotation, f"holds {_told(one)}; {_FORMS}")
    stray = sorted(set(one) - set(_FIELDS))
    if stray:
        raise InvalidObject(
            annotation, f"has {shown(stray[0])} for {shown(one['name'])}; there are {', '.join(_FIELDS)}"
        )
    name = one["name"]
    if CONNECTION_NAME.problem(name) and DNS_NAME.problem(name):
        raise InvalidObject(annotation, f"holds {shown(name)}; {_FORMS}")
    return InstanceWish(name, _port(annotation, one), _address(annotation, one), _socket(annotation, one))


def _port(annotation: str, one: Mapping[str, Any]) -> int | None:
    port = one.get("port")
    if port is None or (type(port) is int and FIRST_PORT <= port <= LAST_PORT):
        return port
    raise InvalidObject(annotation, f"has port {_told(port)}; write a number from {FIRST_PORT} to {LAST_PORT}")


def _address(annotation: str, one: Mapping[str, Any]) -> Address | None:
    said = one.get("ipType")
    if said is None:
        return None
    if not isinstance(said, str) or said.lower() not in set(Address):
        raise InvalidObject(annotation, f"has ipType {_told(said)}; write one of {', '.join(Address)}")
    return Address(said.lower())


def _socket(annotation: str, one: Mapping[str, Any]) -> str:
    said = one.get("socket")
    if said is None:
        return ""
    return directory(annotation, said if isinstance(said, str) else _told(said))


def _told(value: object) -> str:
    """A wrong value as a message repeats it; lists and objects, which may be nested without end, by their kind only."""
    return shown(value) if isinstance(value, str | int | float) or value is None else f"a {type(value).__name__}"
