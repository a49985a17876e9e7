"""Query parameters that every method of Google's APIs takes, under their plain names and with a dollar sign.

Source: Cloud APIs, "System parameters"; google-cloud REST clients send `$alt=json;enum-encoding=int`
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cloudsql_emulator.api.call import Json
from cloudsql_emulator.api.errors import platform

PLAIN = frozenset(
    {
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "userIp",
        "userProject",
    }
    | {"upload_protocol", "uploadType"}
)
DOLLAR = frozenset(
    {"alt", "callback", "ct", "fields", "httpHeaders", "httpMethod", "key", "outputDefaults", "prettyPrint", "req"}
    | {"unknownFields", "userProject", ".xgafv"}
)
NAMES = PLAIN | {f"${name}" for name in DOLLAR}

_WORD = re.compile(r"[^,()/.]+|[,()/.]")

Mask = dict[str, "Mask"]
"""Names to keep and what to keep below each; an empty one keeps all."""

Query = Mapping[str, list[str]]


def told(query: Query, name: str) -> str:
    """The value of a system parameter, plain or with a dollar; "" without one."""
    return (query.get(name) or query.get(f"${name}") or [""])[-1]


def check_alt(query: Query) -> None:
    """Refuse answers in other forms than JSON. Numbers for enums are answered by names, which clients read too.

    Raises:
        ApiError: with Google's words, as far as they are known.
    """
    form = told(query, "alt").partition(";")[0]
    if form not in {"", "json"}:
        raise platform(400, "badRequest", f"Invalid value at 'alt': {form!r}.")  # GUESS: the words


def printed(answer: object, query: Query) -> str:
    """An answer as text: indented unless told otherwise."""
    compact = told(query, "prettyPrint").lower() in {"false", "0"}
    return json.dumps(answer, separators=(",", ":")) if compact else json.dumps(answer, indent=2) + "\n"


def mask_of(query: Query) -> Mask:
    """What `fields` asks for, such as `items(name,type),kind` or `bindings/role`.

    Raises:
        ApiError: it cannot be read.
    """
    text = told(query, "fields")
    if not text:
        return {}
    words = _Words(text)
    mask = words.names()
    if words.rest:
        raise _unreadable(text)
    return mask


def chosen(answer: Json, mask: Mask) -> Json:
    """What a mask leaves of an answer."""
    kept: Json = _kept(answer, mask)
    return kept


class _Words:
    def __init__(self, text: str) -> None:
        self._text = text
        self.rest = list(_WORD.findall(text.replace(" ", "")))

    def names(self) -> Mask:
        mask: Mask = {}
        while True:
            name, below = self._path()
            mask[name] = below
            if not self._takes(","):
                return mask

    def _path(self) -> tuple[str, Mask]:
        if not self.rest or self.rest[0] in ",()/.":
            raise _unreadable(self._text)
        name = self.rest.pop(0)
        if self._takes("/") or self._takes("."):
            inner, below = self._path()
            return name, {inner: below}
        if self._takes("("):
            below = self.names()
            if not self._takes(")"):
                raise _unreadable(self._text)
            return name, below
        return name, {}

    def _takes(self, sign: str) -> bool:
        taken = self.rest[:1] == [sign]
        if taken:
            del self.rest[0]
        return taken


def _unreadable(text: str) -> Exception:
    # GUESS: the words
    return platform(400, "badRequest", f"Request contains an invalid argument: field mask {text!r}.")


def _kept(value: Any, mask: Mask) -> Any:
    if not mask:
        return value
    if isinstance(value, list):
        return [_kept(item, mask) for item in value]
    return dict(_fields(value, mask)) if isinstance(value, dict) else value


def _fields(value: Json, mask: Mask) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if name in mask or "*" in mask:
            yield name, _kept(item, mask.get(name, mask.get("*", {})))
