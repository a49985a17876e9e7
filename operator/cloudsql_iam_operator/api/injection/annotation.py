"""What an annotation is: its full name together with its parser, its default, and its line in the reference."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudsql_iam_operator.api.annotations import PREFIX

T = TypeVar("T")

Version = tuple[int, int, int]
"""Of the proxy: major, minor, patch."""

OLDEST: Version = (2, 8, 0)
"""The first proxy with the `wait` command, which tells when it listens."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the reference says: which values there are, what holds without the annotation, and what it does."""

    values: str
    otherwise: str
    effect: str


class Annotation(str, Generic[T]):
    """The full name of a pod annotation, which also knows how to read its value.

    `parse` takes the annotation and its value without blanks at the ends, and raises InvalidObject. `flag` is the
    proxy's flag that the value is handed to, "" for none; `since` the first proxy that has what it needs. `namespaced`
    ones may stand on a Namespace, as a default for its pods.
    """

    __slots__ = ("default", "flag", "line", "namespaced", "parse", "since")

    parse: Callable[[str, str], T]
    default: T
    line: Line
    flag: str
    since: Version
    namespaced: bool

    def __new__(
        cls,
        name: str,
        parse: Callable[[str, str], T],
        default: T,
        line: Line,
        *,
        flag: str = "",
        since: Version = OLDEST,
        namespaced: bool = False,
    ) -> "Annotation[T]":
        """The annotation of this name, given without our domain."""
        self = super().__new__(cls, PREFIX + name)
        self.parse, self.default, self.line = parse, default, line
        self.flag, self.since, self.namespaced = flag, since, namespaced
        return self


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the annotations of a pod say, parsed; `wishes[PORT]` is the default where it is not said.

    `ignored` are annotations on the Namespace that cannot be defaults; `unread` says which of its defaults cannot be
    read, and why, of those that the pod has no need of.
    """

    said: Mapping[str, Any]
    ignored: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    def __getitem__(self, annotation: Annotation[T]) -> T:
        """The value of an annotation, or its default."""
        value: T = self.said.get(annotation, annotation.default)
        return value

    def __contains__(self, annotation: str) -> bool:
        """Whether it is said, by the pod or its Namespace."""
        return annotation in self.said
