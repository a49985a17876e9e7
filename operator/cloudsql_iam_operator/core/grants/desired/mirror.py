"""What entries stand for besides their words: objects that default privileges reached, and those that `except` names.

PostgreSQL puts default privileges on an object when it is made, and keeps no note of it. So an entry about objects to
come stands for existing ones too: those of all kinds that it reaches, of the roles that it is for.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ALL, ROUTINES
from cloudsql_iam_operator.core.grants.desired.entries import EVERY, Entries, Entry

_RELATIONS = (ObjectKind.TABLE, ObjectKind.VIEW, ObjectKind.MATERIALIZED_VIEW)
_SEVERAL = {ObjectKind.RELATION: _RELATIONS, ObjectKind.ROUTINE: ROUTINES}
_REACHED = {ObjectKind.TABLE: _RELATIONS, ObjectKind.ROUTINE: ROUTINES}


def kinds_of(kind: ObjectKind) -> tuple[ObjectKind, ...]:
    """Kinds of existing objects that entries of a kind are about."""
    return _SEVERAL.get(kind, (kind,))


def reached(kind: ObjectKind) -> tuple[ObjectKind, ...]:
    """Kinds of objects that default privileges of a kind are put on; foreign and partitioned tables are tables."""
    return _REACHED.get(kind, (kind,))


def recorded_reach(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """What entries on record stand for: with what they left out, and with what they put on objects made meanwhile.

    An object may have been given a name that `except` leaves out since it was granted on.
    """
    whole = [replace(entry, excluded=()) for entry in entries]
    return tuple(whole + [there for entry in whole if entry.future for there in _existing(entry, reached(entry.kind))])


def surplus(entries: Entries) -> tuple[Entry, ...]:
    """What entries that hold may have put on objects beyond what they declare, so that it is taken back.

    Where `*` is declared for a kind in a schema, that says what existing objects are to have: default privileges only
    bridge the time until the next pass.
    """
    found = [replace(entry, excluded=()) for entry in entries.privileges if entry.excluded]
    for entry in (entry for entry in entries.privileges if entry.future):
        for kind in _governed(entry, entries):
            more = replace(entry, privileges=_uncovered(entry, kind, entries))
            found += _existing(more, (kind,)) if more.privileges else ()
    return tuple(found)


def left_alone(entries: Entries) -> tuple[Entry, ...]:
    """What default privileges put on objects of which no `*` says what they are to have: it stays."""
    return tuple(
        there
        for entry in entries.privileges
        if entry.future
        for there in _existing(entry, set(reached(entry.kind)) - set(_governed(entry, entries)))
    )


def _existing(entry: Entry, kinds: Iterable[ObjectKind]) -> Iterator[Entry]:
    for kind in sorted(kinds):
        yield replace(entry, kind=kind, names=(EVERY,), future=False)


def _governed(entry: Entry, entries: Entries) -> list[ObjectKind]:
    """Kinds reached by an entry about objects to come for which `*` is declared, for all of its roles."""
    return [kind for kind in reached(entry.kind) if any(True for _ in _wildcards(entry, kind, entries))]


def _uncovered(entry: Entry, kind: ObjectKind, entries: Entries) -> tuple[str, ...]:
    """What default privileges give to objects to come that `*` does not give to all that exist."""
    given = {privilege for one in _wildcards(entry, kind, entries) if not one.excluded for privilege in one.privileges}
    return () if ALL in given else tuple(name for name in entry.privileges if name not in given)


def _wildcards(entry: Entry, kind: ObjectKind, entries: Entries) -> Iterator[Entry]:
    for one in entries.privileges:
        about = one.everything and not one.future and kind in kinds_of(one.kind)
        if about and one.schema == entry.schema and set(entry.roles) <= set(one.roles):
            yield one
