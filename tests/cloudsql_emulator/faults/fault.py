"""Faults that tests ask for: answers that are no answers, late or never, before or after the call took effect."""

import datetime as dt
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from string import Template
from typing import Any

from cloudsql_emulator.api.errors import STATUS

LATER = dt.timedelta(seconds=7)
"""How far `${later}` is from the answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault struck: the host name of the API (`service`) and the path, to be told in its answer."""

    service: str
    path: str


@dataclass(slots=True)
class Fault:
    """What happens to calls whose discovery id, or whose `VERB /raw/path`, matches a regular expression.

    `times` is how often, None for always. `latency` (seconds) comes first; then at most one of: `hang` never answers,
    `drop` resets the connection, `status` answers with it. With `after` the call takes effect before that. `body` is
    the whole answer, HTML when it is a string; without it Google's envelope is made of `message` and `reason`. With
    `half` only the first half of the promised length is sent. In texts of `body` and `headers`, `${unique}` is new in
    every answer, `${service}` and `${path}` are where it struck, `${later}` is a date soon after, as HTTP writes it.
    """

    match: str
    times: int | None = 1
    latency: float = 0.0
    status: int | None = None
    reason: str = "backendError"
    message: str = "The service is currently unavailable."
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    half: bool = False
    hang: bool = False
    drop: bool = False
    after: bool = False
    caller: str = ""
    """Only calls of this IAM member; "" means everybody's."""

    def answer(self, place: Place) -> "Answer":
        """What is sent of an answer, apart from its status."""
        words = {
            "unique": secrets.token_urlsafe(40),
            "service": place.service,
            "path": place.path,
            "later": format_datetime(dt.datetime.now(dt.UTC) + LATER, usegmt=True),
        }
        is_html = isinstance(self.body, str)
        text = self.body if is_html else json.dumps(self._json())
        headers = {name: Template(value).safe_substitute(words) for name, value in self.headers.items()}
        kind = "text/html; charset=UTF-8" if is_html else "application/json; charset=UTF-8"
        return Answer(Template(text).safe_substitute(words).encode(), {"Content-Type": kind, **headers})

    def _json(self) -> Any:
        if self.body is not None:
            return self.body
        listed = [{"message": self.message, "domain": "global", "reason": self.reason}]
        status = STATUS.get(self.status or 0, "UNKNOWN")
        return {"error": {"code": self.status, "message": self.message, "errors": listed, "status": status}}


@dataclass(frozen=True, slots=True)
class Answer:
    """A fault's answer as bytes."""

    content: bytes
    headers: Mapping[str, str]


class Faults:
    """The faults in force, each used up after its number of times."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Have one more; of several that match the oldest comes first."""
        re.compile(fault.match)
        self._faults.append(fault)

    def clear(self) -> None:
        """Have none."""
        self._faults.clear()

    def take(self, method: str, request_line: str, caller: str) -> Fault | None:
        """The fault that a call meets, counted as one of its times."""
        for fault in self._faults:
            if fault.caller in {"", caller} and _matches(fault.match, method, request_line):
                if fault.times is not None:
                    fault.times -= 1
                    self._faults = [each for each in self._faults if each.times != 0]
                return fault
        return None


def _matches(pattern: str, method: str, request_line: str) -> bool:
    return re.fullmatch(pattern, method) is not None or re.search(pattern, request_line) is not None
