"""Values of pod annotations: words, numbers, names and lists of them. Which annotations there are is elsewhere.

Parsers take the annotation's name and its value, and raise InvalidObject.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.images import is_image
from cloudsql_iam_operator.api.parsing.texts import LABEL_NAME, OBJECT_NAME, SERVICE_ACCOUNT, Text, shown
from cloudsql_iam_operator.api.parsing.times import seconds_in

TRUE = frozenset({"true", "yes", "on"})
FALSE = frozenset({"false", "no", "off"})
FIRST_PORT = 1024
"""The first port that a process without privileges may listen on, whatever the container runtime."""

LAST_PORT = 65535
MOST = 100
"""Names in one list."""

E = TypeVar("E", bound=StrEnum)

_NUMBER = re.compile("[0-9]{1,10}")
_KEY = re.compile("[A-Za-z0-9._-]{1,253}")
_DIRECTORY = re.compile("/[A-Za-z0-9._/-]{1,80}")
_SYSTEM = frozenset({"/bin", "/boot", "/etc", "/lib", "/lib64", "/opt", "/root", "/run", "/sbin", "/usr", "/var"})
_BELOW = ("/dev/", "/proc/", "/sys/", "/usr/bin/", "/usr/lib/", "/run/secrets/", "/var/run/secrets/")
"""Directories over which, or below which, an empty volume would take away what the container runs with."""

PLAIN = Text("a text of letters, digits and . _ : / -", re.compile("[A-Za-z0-9._:/-]+"), 253)
VARIABLE_PREFIX = Text("a prefix such as DB_", re.compile("[A-Z_][A-Z0-9_]*"), 63)


@dataclass(frozen=True, slots=True)
class Containers:
    """Which containers of the pod reach the database: `names`, or all when `every`, but for `excluded`.

    All means all but the injected one and known mesh sidecars. Whether the names exist in the pod is not known here.
    """

    every: bool
    names: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Secret in the pod's namespace."""

    name: str
    key: str


def boolean(annotation: str, value: str) -> bool:
    """Yes or no."""
    word = value.lower()
    if word not in TRUE | FALSE:
        raise InvalidObject(annotation, f'is {shown(value)}; write "true" or "false"')
    return word in TRUE


def word_of(kind: type[E]) -> Callable[[str, str], E]:
    """A parser of the words that an enumeration holds, in any case."""

    def parse(annotation: str, value: str) -> E:
        if value.lower() not in set(kind):
            raise InvalidObject(annotation, f"is {shown(value)}; write one of {', '.join(kind)}")
        return kind(value.lower())

    return parse


def text_of(rule: Text) -> Callable[[str, str], str]:
    """A parser of texts that follow a rule."""

    def parse(annotation: str, value: str) -> str:
        problem = rule.problem(value)
        if problem:
            raise InvalidObject(annotation, problem)
        return value.lower() if rule.folded else value

    return parse


def number_of(least: int, most: int, what: str) -> Callable[[str, str], int]:
    """A parser of whole numbers within bounds."""

    def parse(annotation: str, value: str) -> int:
        if _NUMBER.fullmatch(value) is None or not least <= int(value) <= most:
            raise InvalidObject(annotation, f"is {shown(value)}; write {what} from {least} to {most}")
        return int(value)

    return parse


port_number = number_of(FIRST_PORT, LAST_PORT, "a port (the proxy runs without privileges: none below 1024)")


def port_or_boolean(annotation: str, value: str) -> int | bool:
    """A port; or yes for whichever is free, or no."""
    return boolean(annotation, value) if value.lower() in TRUE | FALSE else port_number(annotation, value)


def duration(annotation: str, value: str) -> int:
    """Seconds of a duration such as 30s or 1m30s."""
    seconds = seconds_in(value)
    if seconds is None:
        hint = f"did you mean {value}s?" if _NUMBER.fullmatch(value) else "write a duration such as 30s or 1m30s"
        raise InvalidObject(annotation, f"is {shown(value)}; {hint}")
    return seconds


def directory(annotation: str, value: str) -> str:
    """An absolute directory, without a slash at its end."""
    path = value.rstrip("/")
    if _DIRECTORY.fullmatch(path) is None or any(step in ("", ".", "..") for step in path.split("/")[1:]):
        raise InvalidObject(annotation, f"is {shown(value)}; write an absolute directory such as /run/cloudsql")
    if path in _SYSTEM or f"{path}/".startswith(_BELOW):
        raise InvalidObject(annotation, f"is {shown(value)}, which a container needs itself; write /run/cloudsql, say")
    return path


def variable_prefix(annotation: str, value: str) -> str:
    """How names of variables begin; not as those of libpq do, which mean something for every connection."""
    if value == "PG":
        raise InvalidObject(
            annotation, 'is PG, and PGSSLMODE would hold for other servers too; write env: "pg" for PG*'
        )
    return text_of(VARIABLE_PREFIX)(annotation, value)


def names(annotation: str, value: str) -> tuple[str, ...]:
    """Names of objects in the pod's namespace, separated by commas, each once."""
    if "/" in value:
        raise InvalidObject(
            annotation, f"is {shown(value)}; only users of the pod's own namespace can be named, without it"
        )
    return _each(annotation, value, OBJECT_NAME)


def emails(annotation: str, value: str) -> tuple[str, ...]:
    """E-mails of service accounts, separated by commas, each once."""
    return tuple(email.lower() for email in _each(annotation, value, SERVICE_ACCOUNT))


def secret_key(annotation: str, value: str) -> SecretKey:
    """A Secret's name, and a key after a colon."""
    name, colon, key = value.partition(":")
    problem = OBJECT_NAME.problem(name)
    if problem or (colon and _KEY.fullmatch(key) is None):
        raise InvalidObject(annotation, f"is {shown(value)}; write the name of a Secret, or NAME:KEY")
    return SecretKey(name, key or "credentials.json")


def containers_named(annotation: str, value: str) -> Containers:
    """The containers that a list such as `web,worker`, `*` or `*,!metrics` names; `!metrics` alone means all others."""
    words = _words(annotation, value)
    excluded = tuple(word[1:] for word in words if word.startswith("!"))
    named = tuple(word for word in words if word != "*" and not word.startswith("!"))
    wrong = next((name for name in (*named, *excluded) if LABEL_NAME.problem(name)), None)
    if wrong is not None:
        allowed = "list container names with commas, `*` for all, `!name` to leave one out"
        raise InvalidObject(annotation, f"is {shown(value)}; {shown(wrong)} is no container name: {allowed}")
    if named and ("*" in words or excluded):
        raise InvalidObject(annotation, f"is {shown(value)}; `*` and `!name` do not go with names of containers")
    return Containers(every=not named, names=named, excluded=excluded)


def image_named(annotation: str, value: str) -> str:
    """An image reference."""
    if not is_image(value):
        raise InvalidObject(annotation, f"is {shown(value)}; write an image such as registry/name:tag or name@sha256:…")
    return value


def arguments(annotation: str, value: str) -> tuple[str, ...]:
    """A list of flags, as JSON."""
    try:
        listed = json.loads(value)
    except (ValueError, RecursionError):
        listed = None
    if not isinstance(listed, list) or not all(isinstance(one, str) and one.isprintable() for one in listed):
        raise InvalidObject(annotation, f'is {shown(value)}; write a list of flags such as ["--debug-logs"]')
    stray = next((one for one in listed if not (one.startswith("--") and one[2:3].isalpha())), None)
    if stray is not None:
        raise InvalidObject(annotation, f"names {shown(stray)}; write each flag in one word that begins with --")
    return tuple(listed)


def _each(annotation: str, value: str, rule: Text) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(_words(annotation, value)))
    problem = next(filter(None, map(rule.problem, words)), "")
    if problem:
        raise InvalidObject(annotation, problem)
    return words


def _words(annotation: str, value: str) -> list[str]:
    if value.count(",") >= MOST:
        raise InvalidObject(annotation, f"lists {value.count(',') + 1} names; {MOST} are the most")
    return [word.strip() for word in value.split(",")]
