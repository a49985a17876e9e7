"""Faults that tests ask for: answers that are no answers, late or never, before or after the call took effect."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudsql_emulator.api.errors import STATUS


@dataclass(slots=True)
class Fault:
    """What happens to calls whose discovery id, or whose `VERB /raw/path`, matches a regular expression.

    `times` is how often, None for always. `latency` (seconds) comes first; then at most one of: `hang` never answers,
    `drop` cuts the connection, `status` answers with it. With `after` the call takes effect before that. `body` is
    the whole answer; without it Google's envelope is made of `message` and `reason`.
    """

    match: str
    times: int | None = 1
    latency: float = 0.0
    status: int | None = None
    reason: str = "backendError"
    message: str = "The service is currently unavailable."
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hang: bool = False
    drop: bool = False
    after: bool = False
    caller: str = ""
    """Only calls of this IAM member; "" means everybody's."""

    def answer(self) -> Any:
        """The body of the answer."""
        if self.body is not None:
            return self.body
        listed = [{"message": self.message, "domain": "global", "reason": self.reason}]
        status = STATUS.get(self.status or 0, "UNKNOWN")
        return {"error": {"code": self.status, "message": self.message, "errors": listed, "status": status}}


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
