"""One authenticated call of one API method, and the checking of its caller's permissions."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudsql_emulator.api.discovery import Method
from cloudsql_emulator.iam.access import Access, Attributes
from cloudsql_emulator.iam.conditions import Resource

Json = dict[str, Any]


@dataclass(slots=True)
class Call:
    """A call as its handler sees it: decoded, its body's names known to be right. `caller` is an IAM member.

    `checked` gathers the permissions that were asked for.
    """

    method: Method
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Json
    caller: str
    access: Access
    checked: list[str] = field(default_factory=list)

    def may(self, permission: str, resource: Resource, attributes: Attributes | None = None) -> bool:
        """Whether the caller holds a permission on something."""
        if permission not in self.checked:
            self.checked.append(permission)
        return self.access.holds(self.caller, permission, resource, attributes)

    def queried(self, name: str) -> str:
        """A query parameter; "" when it is absent."""
        return self.query.get(name, [""])[-1]


Handler = Callable[[Call], Awaitable[Json]]
Handlers = Mapping[str, Handler]
