"""Operations: privileges of some roles on some objects, to be given or taken, by oid."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.desired.privileges import count
from cloudsql_iam_operator.core.grants.observed.snapshot import OUTSIDE_SCHEMAS

_KNOWN_BY_NAME = frozenset({ObjectKind.DATABASE, ObjectKind.SCHEMA}) | OUTSIDE_SCHEMAS


class Verb(Enum):
    """What a statement does; TAKE_OPTION takes the grant option and leaves the privilege."""

    GRANT = "GRANT"
    REVOKE = "REVOKE"
    TAKE_OPTION = "REVOKE GRANT OPTION FOR"


@dataclass(frozen=True, slots=True)
class Operation:
    """Privileges to be given or taken, and which keys cause it.

    `grantor` is in whose name: the owner, or who gave it; `owner` is whose the objects are. `columns` are () for whole
    objects; `future` objects are schemas. `option`: with the grant option. `lockable`: the objects are plain or
    partitioned tables. `cascade`: what the roles passed on is taken along.
    """

    verb: Verb
    kind: ObjectKind
    objects: tuple[int, ...]
    roles: tuple[int, ...]
    mask: int
    grantor: int
    keys: frozenset[Key]
    option: bool = False
    columns: tuple[str, ...] = ()
    future: bool = False
    lockable: bool = False
    owner: int = 0
    cascade: bool = False

    @property
    def size(self) -> int:
        """How many privileges it changes, counted per object and grantee."""
        return count(self.mask) * len(self.objects) * len(self.roles)


@dataclass(frozen=True, slots=True)
class MembershipOperation:
    """A role to be granted or taken back, acting as `actor` ("" as is), as granted by `grantor` ("" for who acts).

    Options None are left to the server. To be taken back with `admin`, it is only the right to pass the role on.
    """

    give: bool
    role: int
    member: int
    keys: frozenset[Key]
    admin: bool | None = None
    inherit: bool | None = None
    set: bool | None = None
    actor: str = ""
    grantor: str = ""
    cascade: bool = False


def unnamed(operations: Iterable[Operation]) -> dict[ObjectKind, set[int]]:
    """Objects whose names a snapshot does not hold, by kind."""
    wanted: dict[ObjectKind, set[int]] = {}
    for operation in operations:
        if not operation.future and operation.kind not in _KNOWN_BY_NAME:
            wanted.setdefault(operation.kind, set()).update(operation.objects)
    return wanted
