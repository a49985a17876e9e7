"""What was asked of the emulated Google, in order; nothing secret is kept."""

import datetime as dt
import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cloudsql_emulator.clock import rfc3339

CAPACITY = 200_000
SECRET_FIELDS = frozenset(
    {"access_token", "accessToken", "assertion", "client_assertion", "key", "oauth_token", "password", "payload"}
    | {"public_key", "refresh_token", "subject_token"}
)
WRITES = frozenset(
    {
        "iam.projects.serviceAccounts.create",
        "sql.databases.delete",
        "sql.databases.insert",
        "sql.instances.patch",
        "sql.instances.restart",
        "sql.users.insert",
        "sql.users.update",
        "sql.users.delete",
        "cloudresourcemanager.projects.setIamPolicy",
        "iam.projects.serviceAccounts.setIamPolicy",
    }
)

EntryKind = Literal["api", "token", "metadata", "login", "condition"]


@dataclass(frozen=True, slots=True)
class Happening:
    """What happened, apart from when.

    `caller` is an IAM member, "" when it is unknown. `method` is a discovery id such as sql.users.insert, or
    oauth2.token, metadata.token, login. `status` is HTTP's, 0 when there was no answer, and for logins 200 or 401.
    """

    kind: EntryKind
    caller: str
    method: str
    path: str = ""
    summary: Any = None
    status: int = 0
    permissions: tuple[str, ...] = ()
    detail: str = ""
    quota_project: str = ""

    @property
    def is_write(self) -> bool:
        """Whether it changes something that an administrator would see."""
        return self.method in WRITES


class Journal:
    """The most recent happenings, numbered from 1."""

    def __init__(self) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=CAPACITY)
        self._numbers = itertools.count(1)

    def record(self, moment: dt.datetime, happening: Happening) -> None:
        """Note something."""
        entry = {"number": next(self._numbers), "time": rfc3339(moment), "write": happening.is_write}
        self._entries.append(entry | asdict(happening) | {"permissions": list(happening.permissions)})

    def entries(self, since: int = 0) -> list[dict[str, Any]]:
        """Entries with a number above `since`, oldest first, as JSON."""
        return [entry for entry in self._entries if entry["number"] > since]

    def clear(self) -> None:
        """Forget all; numbers go on."""
        self._entries.clear()


def summary_of(body: object) -> Any:
    """A request's body without what must stay secret."""
    if isinstance(body, Mapping):
        return {name: "…" if name in SECRET_FIELDS else summary_of(value) for name, value in body.items()}
    if isinstance(body, list):
        return [summary_of(item) for item in body]
    return body
