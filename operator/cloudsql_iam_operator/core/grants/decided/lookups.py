"""What a pass must know of the database to bring about what is wanted, and to take back what is on record."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.plan import IN_SCHEMA, GrantWant, stale
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries
from cloudsql_iam_operator.core.grants.desired.ledger import FUTURE, Ledger, entries_from, ledger_of, less
from cloudsql_iam_operator.core.grants.desired.mirror import recorded_reach
from cloudsql_iam_operator.core.grants.observed.identities import ROLE, SCHEMA, recorded_identities
from cloudsql_iam_operator.core.grants.observed.snapshot import Catalog, Lookups, catalog_of


def lookups(wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger]) -> Lookups:
    """What a pass must know of the database."""
    ledgers = [less(want.ledger, ledger_of(want.entries)) for want in wants.values()] + list(claims.values())
    ledgers += [want.found for want in wants.values() if want.found]
    entries = [*(want.entries for want in wants.values()), *(entries_from(ledger) for ledger in ledgers)]
    reach = recorded_reach(entry for every in entries for entry in every.privileges if entry.future)
    found = _of_entries([*entries, Entries(tuple(entry for entry in reach if not entry.future))])
    gone = {key: stale(want) for key, want in wants.items() if want.ledger}
    swept = {key: roles for key, ledger in gone.items() if (roles := frozenset(_of_everything(ledger)))}
    known = [recorded_identities(ledger) for ledger in (*(want.ledger for want in wants.values()), *claims.values())]
    return replace(
        found,
        kinds=found.kinds.union(*(_swept(want, gone.get(key, frozenset())) for key, want in wants.items())),
        known=frozenset[int]().union(*(one.all_of(SCHEMA, *(c.value for c in Catalog)) for one in known)),
        elsewhere=frozenset[str]().union(*swept.values()),
        known_elsewhere=frozenset[int]().union(*(recorded_identities(wants[key].ledger).all_of(ROLE) for key in swept)),
        known_roles=frozenset[int]().union(*(one.all_of(ROLE) for one in known)),
    )


def _of_everything(ledger: Ledger) -> Iterator[str]:
    """Roles that were granted something on whatever there was, which may have been moved since."""
    for entry in ledger:
        if entry.names == (EVERY,) or entry.kind.startswith(FUTURE):
            yield from entry.roles


def _swept(want: GrantWant, gone: Ledger) -> frozenset[ObjectKind]:
    """Kinds that a want may take something from, though no entry of it names them."""
    if want.enforcement is Enforcement.EXCLUSIVE:
        return IN_SCHEMA
    # The REVOKE of a table takes the rights on its columns along, some of which may be somebody else's.
    return frozenset({ObjectKind.COLUMN}) if gone or want.entries.public else frozenset()


def _of_entries(entries: Iterable[Entries]) -> Lookups:
    """What must be known of the database to resolve these entries."""
    named: set[tuple[Catalog, str, str]] = set()
    listed: set[tuple[Catalog, str]] = set()
    columns: set[tuple[str, str]] = set()
    creators: set[str] = set()
    roles: set[str] = set()
    schemas: set[str] = set()
    kinds: set[ObjectKind] = set()
    everywhere = False
    for every in entries:
        roles |= every.roles | {entry.role for entry in every.memberships}
        schemas |= every.schemas
        for entry in (*every.privileges, *every.public):
            roles.update(entry.owners if EVERY not in entry.owners else ())
            creators.update({entry.schema} if EVERY in entry.owners else ())
            kinds.add(entry.kind)
            everywhere |= not entry.schema and entry.everything and entry.kind is not ObjectKind.LARGE_OBJECT
            catalog = catalog_of(entry.kind)
            listed.update({(catalog, entry.schema)} if entry.excluded else ())
            single = () if entry.everything and entry.kind is not ObjectKind.LARGE_OBJECT else entry.names
            named.update((catalog, entry.schema, name) for name in single)
            columns.update((entry.schema, name) for name in single if entry.columns)
    return Lookups(
        frozenset(roles),
        frozenset(schemas),
        frozenset(named),
        frozenset(listed),
        frozenset(columns),
        frozenset(creators),
        frozenset(kinds | ({ObjectKind.TYPE} if _names_types(named) else set())),
        everywhere,
    )


def _names_types(named: Iterable[tuple[Catalog, str, str]]) -> bool:
    """Whether one is a routine, which is found by the types of its arguments."""
    return any(catalog is Catalog.ROUTINE for catalog, _, _ in named)
