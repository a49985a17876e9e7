"""Statements as records: operations of many keys, folded into few statements, and these into short transactions.

What they look like in SQL is the adapter's.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation, Verb
from cloudsql_iam_operator.core.grants.desired.privileges import names_of
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot

OBJECTS_PER_TRANSACTION = 100
"""Objects that one transaction may lock at most."""

BYTES_PER_STATEMENT = 32 * 1024
"""Bytes that the names in one statement may take at most; about."""

_KIND_ORDER = tuple(ObjectKind)


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """An object by name; `schema` is "" for a database or schema, `arguments` are (schema, type) of a routine's."""

    schema: str
    name: str
    arguments: tuple[tuple[str, str], ...] = ()


ALL_SCHEMAS = ObjectName("", "")
"""Stands alone for all schemas in statements about default privileges."""


@dataclass(frozen=True, slots=True)
class PrivilegeStatement:
    """GRANT or REVOKE of privileges, or with `owner` ALTER DEFAULT PRIVILEGES FOR that role in schemas `objects`.

    `actor` is the role to act as, "" as is. `operations` are what it came from.
    """

    verb: Verb
    kind: ObjectKind
    privileges: tuple[str, ...]
    columns: tuple[str, ...]
    objects: tuple[ObjectName, ...]
    grantees: tuple[str, ...]
    actor: str
    option: bool = False
    owner: str = ""
    lockable: bool = False
    keys: frozenset[Key] = frozenset()
    cascade: bool = False

    @property
    def size(self) -> int:
        """How many privileges it changes, counted per object and grantee."""
        return len(self.privileges) * len(self.objects) * len(self.grantees) * max(1, len(self.columns))

    @property
    def give(self) -> bool:
        """Whether it grants."""
        return self.verb is Verb.GRANT


@dataclass(frozen=True, slots=True)
class MembershipStatement:
    """GRANT or REVOKE of a role; options None are not spoken of. A REVOKE with `admin` is of the admin option alone.

    `grantor` is who is named as having granted it, "" for nobody.
    """

    give: bool
    role: str
    grantees: tuple[str, ...]
    admin: bool | None = None
    inherit: bool | None = None
    set: bool | None = None
    keys: frozenset[Key] = frozenset()
    actor: str = ""
    grantor: str = ""
    cascade: bool = False

    @property
    def size(self) -> int:
        """How many memberships it changes."""
        return len(self.grantees)


Statement = PrivilegeStatement | MembershipStatement


@dataclass(frozen=True, slots=True)
class Transaction:
    """Statements that are carried out together, as one role."""

    actor: str
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """Operations with the same words, for several roles and objects, still by oid."""

    operation: Operation
    objects: tuple[int, ...]
    roles: tuple[int, ...]
    keys: frozenset[Key]


def coalesced(operations: Iterable[Operation]) -> tuple[Folded, ...]:
    """Operations folded over roles with the same objects, then over columns, then over objects for the same roles."""
    folds = [
        Folded(replace(op, objects=(), roles=(), keys=frozenset()), op.objects, op.roles, op.keys)
        for op in _over_privileges(operations)
    ]
    folds = _folded(folds, lambda fold: replace(fold, roles=(), keys=frozenset()))
    folds = _folded(folds, lambda fold: replace(fold, operation=replace(fold.operation, columns=()), keys=frozenset()))
    return tuple(_folded(folds, lambda fold: replace(fold, objects=(), keys=frozenset())))


def _folded(folds: Iterable[Folded], shared: Callable[[Folded], Folded]) -> list[Folded]:
    """Folds that share their words made one; `shared` leaves out of a fold what may differ."""
    alike: dict[Folded, list[Folded]] = {}
    for fold in folds:
        alike.setdefault(shared(fold), []).append(fold)
    return [same[0] if len(same) == 1 else _union(same) for same in alike.values()]


def _union(folds: list[Folded]) -> Folded:
    columns = sorted({column for fold in folds for column in fold.operation.columns})
    return Folded(
        replace(folds[0].operation, columns=tuple(columns)),
        tuple(sorted({oid for fold in folds for oid in fold.objects})),
        tuple(sorted({role for fold in folds for role in fold.roles})),
        frozenset().union(*(fold.keys for fold in folds)),
    )


def named(
    folded: Iterable[Folded], names: Mapping[tuple[ObjectKind, int], ObjectName], snapshot: Snapshot, reach: Reach
) -> tuple[PrivilegeStatement, ...]:
    """The folded operations as statements, in the order of execution; objects without a name exist no more."""
    roles = snapshot.role_names()
    schemas = {0: ALL_SCHEMAS, **{oid: ObjectName("", name) for name, oid in snapshot.schemas.items()}}
    statements: list[PrivilegeStatement] = []
    for fold in (part for whole in folded for part in _by_reach(whole)):
        words = fold.operation
        if words.future:
            objects = tuple(sorted(schemas[oid] for oid in fold.objects))
        else:
            found = (names.get((words.kind, oid)) for oid in fold.objects)
            objects = tuple(sorted(name for name in found if name is not None))
        if objects:
            statements.append(
                PrivilegeStatement(
                    words.verb,
                    words.kind,
                    names_of(words.mask),
                    words.columns,
                    objects,
                    tuple(sorted(roles[oid] for oid in fold.roles)),
                    reach.grantor(words.grantor, words.owner) or "",
                    words.option,
                    roles[words.grantor] if words.future else "",
                    words.lockable,
                    fold.keys,
                    words.cascade,
                )
            )
    return tuple(sorted(statements, key=_order))


def membership_statements(
    operations: Iterable[MembershipOperation], snapshot: Snapshot
) -> tuple[MembershipStatement, ...]:
    """Membership operations as statements, one for all members of a role."""
    roles = snapshot.role_names()
    folded: dict[MembershipStatement, tuple[set[str], set[Key]]] = {}
    for op in operations:
        words = MembershipStatement(
            *(op.give, roles[op.role], (), op.admin, op.inherit, op.set),
            actor=op.actor,
            grantor=op.grantor,
            cascade=op.cascade,
        )
        members, keys = folded.setdefault(words, (set(), set()))
        members.add(roles[op.member])
        keys.update(op.keys)
    statements = [
        replace(words, grantees=tuple(sorted(members)), keys=frozenset(keys))
        for words, (members, keys) in folded.items()
    ]
    return tuple(sorted(statements, key=lambda s: (not s.give, s.role, s.grantees)))


def chunked(statements: Iterable[Statement]) -> tuple[Transaction, ...]:
    """Statements in short transactions: one role each, few objects each, grants ahead of revokes."""
    transactions: list[Transaction] = []
    by_actor: dict[str, list[Statement]] = {}
    for statement in statements:
        by_actor.setdefault(statement.actor, []).extend(_pieces(statement))
    for actor, pieces in by_actor.items():
        open_: list[Statement] = []
        weight = 0
        for piece in pieces:
            if open_ and weight + _weight(piece) > OBJECTS_PER_TRANSACTION:
                transactions.append(Transaction(actor, tuple(open_)))
                open_, weight = [], 0
            open_.append(piece)
            weight += _weight(piece)
        transactions.append(Transaction(actor, tuple(open_)))
    return tuple(transactions)


def halves(statement: Statement) -> tuple[Statement, ...]:
    """The statement cut in two, over its objects or else its grantees; () when there is nothing to cut."""
    if isinstance(statement, PrivilegeStatement) and len(statement.objects) > 1:
        middle = len(statement.objects) // 2
        first, second = statement.objects[:middle], statement.objects[middle:]
        return replace(statement, objects=first), replace(statement, objects=second)
    return _by_grantees(statement)


def _by_reach(fold: Folded) -> list[Folded]:
    """Default privileges for all schemas apart from those for single ones, which another statement is for."""
    single = tuple(oid for oid in fold.objects if oid)
    if not fold.operation.future or single in ((), fold.objects):
        return [fold]
    return [replace(fold, objects=(0,)), replace(fold, objects=single)]


def _by_grantees(statement: Statement) -> tuple[Statement, ...]:
    if len(statement.grantees) < 2:
        return ()
    middle = len(statement.grantees) // 2
    first, second = statement.grantees[:middle], statement.grantees[middle:]
    return replace(statement, grantees=first), replace(statement, grantees=second)


def _over_privileges(operations: Iterable[Operation]) -> list[Operation]:
    """Operations that differ only in their privileges and causes, made one."""
    merged: dict[Operation, tuple[int, set[Key]]] = {}
    for operation in operations:
        words = replace(operation, mask=0, keys=frozenset())
        mask, keys = merged.get(words, (0, set()))
        merged[words] = (mask | operation.mask, keys | operation.keys)
    return [replace(words, mask=mask, keys=frozenset(keys)) for words, (mask, keys) in merged.items()]


def _order(statement: PrivilegeStatement) -> tuple[object, ...]:
    """Grants before revokes, so that nobody loses for a moment what stays; columns last, since a table's REVOKE
    takes from its columns too.
    """  # noqa: D205 - one sentence
    late = statement.kind is ObjectKind.COLUMN
    phase = 2 if late and statement.verb is Verb.GRANT else int(statement.verb is not Verb.GRANT)
    kind = _KIND_ORDER.index(statement.kind)
    what = (statement.objects, statement.columns, statement.privileges, statement.grantees)
    return (phase, bool(statement.owner), kind, statement.owner, statement.verb.value, what, statement.option)


def _pieces(statement: Statement) -> list[Statement]:
    if isinstance(statement, MembershipStatement):
        return [statement]
    grantees = sum(map(_size, statement.grantees))
    if grantees > BYTES_PER_STATEMENT // 2 and len(statement.grantees) > 1:
        return [piece for half in _by_grantees(statement) for piece in _pieces(half)]
    pieces: list[Statement] = []
    open_: list[ObjectName] = []
    size = grantees
    for name in statement.objects:
        bytes_ = _bytes(name)
        if open_ and (len(open_) >= OBJECTS_PER_TRANSACTION or size + bytes_ > BYTES_PER_STATEMENT):
            pieces.append(replace(statement, objects=tuple(open_)))
            open_, size = [], grantees
        open_.append(name)
        size += bytes_
    return [*pieces, replace(statement, objects=tuple(open_))]


def _bytes(name: ObjectName) -> int:
    types = sum(len(schema) + len(type_) + 8 for schema, type_ in name.arguments)
    return _size(name.schema) + _size(name.name) + types + 8


def _size(name: str) -> int:
    """Bytes of a name, whatever is in it."""
    return len(name.encode(errors="surrogatepass"))


def _weight(statement: Statement) -> int:
    return len(statement.objects) if isinstance(statement, PrivilegeStatement) else 1
