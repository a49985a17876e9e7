"""Reading JSON that came from outside, field by field, total over any value. Which fields a kind has is elsewhere."""

from collections.abc import Callable, Mapping
from datetime import datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from cloudsql_iam_operator.api.parsing.texts import Text, shown
from cloudsql_iam_operator.api.parsing.times import Bounds, instant_of, seconds_in

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class InvalidObject(ValueError):
    """What was written cannot be meant: which field (`spec.grants[2].privileges`), and what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Fields:
    """The fields of one JSON object. Made by `read`, which afterwards refuses the fields that nobody asked for.

    null counts as absent everywhere, as it does for the API server. Every method raises InvalidObject.
    """

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, Mapping):
            raise InvalidObject(path, f"must be an object, not {shown(value)}")
        self._value: Mapping[Any, Any] = value
        self._asked: set[str] = set()
        self.path = path

    def given(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self._get(name) is not None

    def raw(self, name: str) -> object:
        """What is written there, whatever it is; None when absent."""
        return self._value.get(name)

    def refusal(self, name: str, problem: str) -> InvalidObject:
        """The error that says so about a field."""
        return InvalidObject(self._where(name), problem)

    def text(self, name: str, rule: Text, default: str | None = None) -> str:
        """A string that the rule allows; the default when absent, required when there is none."""
        value = self._get(name)
        if value is not None:
            return _text(value, rule, self._where(name))
        if default is None:
            raise self.refusal(name, f"is missing; it must be {rule.what}")
        return default

    def texts(self, name: str, rule: Text, most: int) -> tuple[str, ...]:
        """A set of strings, in the order written; () when absent."""
        values = tuple(
            _text(value, rule, f"{self._where(name)}[{i}]") for i, value in enumerate(self._list(name, most))
        )
        return self._distinct(name, values)

    def some_texts(self, name: str, rule: Text, most: int) -> tuple[str, ...]:
        """A set of strings that may be absent, but is not empty when it is there."""
        values = self.texts(name, rule, most)
        if self.given(name) and not values:
            raise self.refusal(name, "is empty; list at least one, or leave the field out")
        return values

    def words(self, name: str, allowed: tuple[str, ...], most: int) -> tuple[str, ...]:
        """A set of strings out of those allowed, in the order written; () when absent."""
        values = self._list(name, most)
        for index, value in enumerate(values):
            if value not in allowed:
                what = f"is {shown(value)}; it may be {', '.join(allowed)}"
                raise InvalidObject(f"{self._where(name)}[{index}]", what)
        return self._distinct(name, tuple(values))

    def flag(self, name: str) -> bool:
        """A boolean, false when absent."""
        return bool(self.optional_flag(name))

    def optional_flag(self, name: str) -> bool | None:
        """A boolean, None when absent."""
        value = self._get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self.refusal(name, f"must be true or false, not {shown(value)}")

    def choice(self, name: str, options: type[E], default: E | None = None) -> E:
        """One of an enumeration's values; the default when absent, required when there is none."""
        value = self._get(name)
        if value is None and default is not None:
            return default
        try:
            return options(value)
        except ValueError:
            allowed = ", ".join(option.value for option in options)
            text = f"is {'missing' if value is None else shown(value)}; it may be {allowed}"
            raise self.refusal(name, text) from None

    def nested(self, name: str, parse: Callable[["Fields"], T]) -> T:
        """A nested object; an absent one is read like an empty one."""
        value = self._get(name)
        return read({} if value is None else value, self._where(name), parse)

    def optional_nested(self, name: str, parse: Callable[["Fields"], T]) -> T | None:
        """A nested object, None when absent."""
        return self.nested(name, parse) if self.given(name) else None

    def each(self, name: str, parse: Callable[["Fields"], T], most: int) -> tuple[T, ...]:
        """A list of objects, in the order written; () when absent."""
        return tuple(read(value, f"{self._where(name)}[{i}]", parse) for i, value in enumerate(self._list(name, most)))

    def labels(self, name: str, rules: tuple[Text, Text], most: int) -> tuple[tuple[str, str], ...]:
        """A map of strings, sorted by key; the rules are for keys and values."""
        value = self._get(name)
        if value is None:
            return ()
        if not isinstance(value, Mapping) or len(value) > most:
            raise self.refusal(name, f"must be a map of at most {most} labels, not {shown(value)}")
        key_rule, value_rule = rules
        where = self._where(name)
        return tuple(sorted((_text(k, key_rule, where), _text(v, value_rule, where)) for k, v in value.items()))

    def count(self, name: str, most: int) -> int | None:
        """A whole number from 0 to `most`; None when absent."""
        value = self._get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most):
            return value
        raise self.refusal(name, f"must be a whole number from 0 to {most}")

    def seconds(self, name: str, bounds: Bounds) -> int | None:
        """A duration such as 30s, 5m or 1h30m, in seconds; None when absent."""
        value = self._get(name)
        if value is None:
            return None
        seconds = seconds_in(value)
        if seconds is None or not bounds.shortest <= seconds <= bounds.longest:
            raise self.refusal(name, f"is {shown(value)}; write a duration {bounds.text}, such as 30s, 5m or 1h30m")
        return seconds

    def instant(self, name: str) -> datetime | None:
        """A point in time, in UTC; None when absent."""
        value = self._get(name)
        instant = instant_of(value)
        if value is not None and instant is None:
            raise self.refusal(name, f"is {shown(value)}; write a time with its zone, such as 2026-12-01T00:00:00Z")
        return instant

    def refuse_unasked(self) -> None:
        """Refuse fields that nobody asked for: they would be ignored, which their author does not expect."""
        unasked = sorted(str(name) for name in self._value if name not in self._asked)
        if not unasked:
            return
        near = get_close_matches(unasked[0], sorted(self._asked), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(self._asked))}"
        raise InvalidObject(self._where(shown(unasked[0])[1:-1]), f"no such field; {hint}")

    def _where(self, name: str) -> str:
        return f"{self.path}.{name}"

    def _get(self, name: str) -> Any:  # JSON: the callers find out the type
        self._asked.add(name)
        return self._value.get(name)

    def _list(self, name: str, most: int) -> list[Any]:
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refusal(name, f"must be a list, not {shown(value)}")
        if len(value) > most:
            raise self.refusal(name, f"has {len(value)} entries; at most {most} are allowed")
        return value

    def _distinct(self, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((value for i, value in enumerate(values) if value in values[:i]), None)
        if twice is not None:
            raise self.refusal(name, f"lists {shown(twice)} twice")
        return values


def read(value: object, path: str, parse: Callable[[Fields], T]) -> T:
    """What `parse` makes of the JSON object at `path`.

    Raises:
        InvalidObject: it is no object, a field is wrong, or there is a field that `parse` did not ask for.
    """
    fields = Fields(value, path)
    result = parse(fields)
    fields.refuse_unasked()
    return result


def _text(value: object, rule: Text, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidObject(where, f"must be {rule.what}, not {shown(value)}")
    problem = rule.problem(value)
    if problem:
        raise InvalidObject(where, problem)
    return value.lower() if rule.folded else value
