"""References `$(NAME)` in a container's command, arguments and environment, put in as the kubelet would."""

import re
from collections.abc import Mapping

from cloudsql_iam_operator.core.injection.pod import Container

LONGEST_VALUE = 1024
"""Characters; a longer value is no port and no instance."""

BUDGET = 65536
"""Characters put in for one container: a few short values can stand for a text without end."""

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")

Environment = Mapping[str, str | None]
"""Values by name; None for one that cannot be seen, because it comes from elsewhere or is too long."""


class Variables:
    """The variables of one container; reading them spends its budget."""

    def __init__(self, container: Container) -> None:
        self._left = BUDGET
        self.values: dict[str, str | None] = {}
        for name, value in container.env.items():
            self.values[name] = None if value is None else self._value(value)

    def expanded(self, text: str) -> str:
        """The text with what can be seen put in; other references stay as they are.

        Source: Kubernetes, third_party/forked/golang/expansion
        """
        return _REFERENCE.sub(self._put, text) if "$" in text else text

    def _value(self, raw: str) -> str | None:
        value = self.expanded(raw)
        return value if len(value) <= LONGEST_VALUE else None

    def _put(self, reference: re.Match[str]) -> str:
        name = reference.group(1)
        if name is None:
            return "$"
        value = self.values.get(name)
        if value is None or len(value) > self._left:
            return reference.group()
        self._left -= len(value)
        return value


def is_open(text: str) -> bool:
    """Whether a reference is left in the text, so that what it says cannot be seen here."""
    return "$" in text
