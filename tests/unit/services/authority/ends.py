"""How the authority of whatever a tenant declares ends, be it a user or a grant."""

from collections.abc import Callable
from typing import Any

from unit.services.authority.ground import RULE, Ground

End = Callable[[Ground, dict[str, Any]], None]


def rules(*changed: dict[str, Any]) -> End:
    """The rules are these then, each as it was but for what is named."""

    def end(ground: Ground, status: dict[str, Any]) -> None:
        ground.rules = [{**RULE, **change} for change in changed]

    return end


def labels(now: dict[str, str] | None) -> End:
    """The labels of the namespace are these then; None when there is no namespace."""

    def end(ground: Ground, status: dict[str, Any]) -> None:
        ground.labels = now

    return end


ENDS: dict[str, End] = {
    "all rules gone": rules(),
    "rule for somebody else": rules({"namespaces": {"names": ["somebody-else"]}}),
    "an end now needed": rules({"maxExpiry": "1h"}),
    "label taken off": labels({}),
    "namespace gone": labels(None),
}
