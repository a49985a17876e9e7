"""What holds beyond what is declared: sentences for the status of an object that is as it should be."""

from collections.abc import Iterable, Iterator, Mapping

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.entries import Entries
from cloudsql_iam_operator.core.grants.desired.mirror import surplus
from cloudsql_iam_operator.core.grants.desired.privileges import names_of
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Snapshot

_SAID_OF = 3
"""How many names a sentence lists."""


def window(entries: Entries, *, taken: bool) -> tuple[str, ...]:
    """What default privileges give objects made later beyond what is declared for them, and for how long.

    `taken`: it is taken back; otherwise it stays.
    """
    by_kind: dict[str, set[str]] = {}
    for entry in surplus(entries):
        if entry.owners:
            by_kind.setdefault(entry.kind.value, set()).update(entry.privileges)
    until = "until the next pass takes it back" if taken else "and stays, for enforcement Additive takes nothing back"
    return tuple(
        f"what `future` gives each new {kind} beyond what `*` declares ({', '.join(sorted(names))}) holds {until}"
        for kind, names in sorted(by_kind.items())
    )


def for_all_schemas(wishes: Iterable[Wish], snapshot: Snapshot) -> Mapping[Key, tuple[str, ...]]:
    """For each key the default privileges for all schemas that its roles have and that nobody declares."""
    groups = [group for group in snapshot.groups if group.future and not group.schema]
    every = list(wishes) if groups else []
    granted_to = {key: frozenset[int]() for key in {wish.key for wish in every}}
    for wish in every:
        if wish.standing is Standing.WANTED:
            granted_to[wish.key] |= wish.roles
    declared = [wish for wish in every if wish.future and not wish.schema]
    names = snapshot.role_names()
    found: dict[Key, tuple[str, ...]] = {}
    for key, roles in granted_to.items():
        sentences = [text for group in groups for text in _undeclared(group, roles, declared, names)]
        if sentences:
            found[key] = (*sentences[:_SAID_OF], *_more(sentences))
    return found


def _undeclared(
    group: AclGroup, roles: frozenset[int], declared: Iterable[Wish], names: Mapping[int, str]
) -> Iterator[str]:
    for role in sorted(roles & group.acl.keys() - {group.owner}):
        mask = group.held(role)
        for wish in declared:
            if group.kind in wish.kinds and wish.of_owner(group.owner) and role in wish.roles:
                mask &= ~wish.mask
        if mask:
            what = ", ".join(names_of(mask))
            owner = names.get(group.owner, str(group.owner))
            yield (
                f"default privileges of {owner!r} for all schemas, which nobody declares, give {names[role]!r} {what} "
                f"on each new {group.kind}"
            )


def _more(sentences: list[str]) -> tuple[str, ...]:
    return () if len(sentences) <= _SAID_OF else (f"and so do {len(sentences) - _SAID_OF} more",)
