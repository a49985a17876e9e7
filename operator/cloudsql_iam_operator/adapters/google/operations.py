"""Waiting for operations of the Cloud SQL Admin API. What an operation does is not known here."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.api.parsing.times import duration_text
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.reasons import Reason


@dataclass(frozen=True, slots=True)
class Patience:
    """How an operation is polled, in seconds: after `first`, then `second` doubling to `longest`; `total` in all."""

    first: float = 1.0
    second: float = 2.0
    longest: float = 20.0
    total: float = 600.0
    sleep: Callable[[float], None] = time.sleep

    def pauses(self) -> Iterator[float]:
        """Seconds to pause before each poll."""
        spent, pause = 0.0, self.first
        while spent < self.total:
            yield pause
            spent += pause
            pause = self.second if pause == self.first else min(pause * 2, self.longest)


@dataclass(frozen=True, slots=True)
class OperationError:
    """Why an operation failed, in Google's words."""

    code: str
    message: str


def settled(
    operation: Mapping[str, Any], poll: Callable[[str], Mapping[str, Any]], patience: Patience
) -> OperationError | None:
    """The error of an operation once it is done; None when it succeeded. User operations mostly come back done.

    Raises:
        NotYet: it was still running when patience ran out.
    Source: Cloud SQL Admin API v1, operations; a DONE operation may carry errors with HTTP 200
    """
    pauses = patience.pauses()
    while operation.get("status") != "DONE":
        pause = next(pauses, None)
        if pause is None:
            kind, name = operation.get("operationType", "operation"), operation.get("name", "")
            text = f"{kind} {name} on instance {operation.get('targetId', '')}"
            raise NotYet(Reason.OPERATION_IN_PROGRESS, f"{text} did not end in {duration_text(patience.total)}")
        patience.sleep(pause)
        operation = poll(str(operation["name"]))
    return _error_of(operation)


def _error_of(operation: Mapping[str, Any]) -> OperationError | None:
    error = operation.get("error")
    if not error:
        return None
    listed = error.get("errors") if isinstance(error, Mapping) else None
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], Mapping) else {}
    return OperationError(str(first.get("code") or "UNKNOWN"), " ".join(str(first.get("message") or "").split()))
