"""Short ways to write what a DatabaseGrant declares; nothing here talks to a server."""

from collections.abc import Callable, Collection, Mapping

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import GRANT, Key
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry, RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, ledger_of
from cloudsql_iam_operator.services.runtime.ledgers import Records

NOTHING = Entries()


def key(name: str) -> Key:
    """The key of a DatabaseGrant in namespace team."""
    return Key(GRANT.name, "team", name)


def table(
    *privileges: str, to: tuple[str, ...] = ("x",), names: tuple[str, ...] = ("*",), schema: str = "app"
) -> Entry:
    """Privileges on tables of a schema."""
    return Entry(ObjectKind.TABLE, to, tuple(sorted(privileges)), schema, names)


def on_schema(*privileges: str, to: tuple[str, ...] = ("x",), schema: str = "app") -> Entry:
    """Privileges on a schema."""
    return Entry(ObjectKind.SCHEMA, to, tuple(sorted(privileges)), schema)


def on_database(*privileges: str, to: tuple[str, ...] = ("x",)) -> Entry:
    """Privileges on the database."""
    return Entry(ObjectKind.DATABASE, to, tuple(sorted(privileges)))


def objects(kind: ObjectKind, *privileges: str, names: tuple[str, ...] = ("*",), to: tuple[str, ...] = ("x",)) -> Entry:
    """Privileges on objects of another kind, in schema app."""
    return Entry(kind, to, tuple(sorted(privileges)), "app", names)


def want(
    *entries: Entry | RoleEntry, ledger: Ledger = frozenset(), how: Enforcement = Enforcement.MANAGED
) -> GrantWant:
    """What an object wants that declares these entries."""
    return GrantWant(declared(*entries), ledger, how)


def declared(*entries: Entry | RoleEntry) -> Entries:
    """Entries of one object."""
    return Entries(
        tuple(entry for entry in entries if isinstance(entry, Entry)),
        tuple(entry for entry in entries if isinstance(entry, RoleEntry)),
    )


def on_record(claims: Mapping[Key, Ledger] | None = None) -> Callable[[Collection[Key]], Records]:
    """What a lane is told that those objects have on record which want nothing of it."""
    every = claims or {}
    return lambda wanted: Records({key: ledger for key, ledger in every.items() if key not in wanted})


def caused(*entries: Entry | RoleEntry) -> Ledger:
    """The ledger of an object that applied these entries."""
    return ledger_of(declared(*entries))
