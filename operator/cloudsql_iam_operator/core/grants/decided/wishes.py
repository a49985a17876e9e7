"""Wishes: one key's word about privileges, by oid, and how it stands to them."""

from dataclasses import dataclass
from enum import Enum

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup


class Standing(Enum):
    """Wanted now; recorded as caused and to be taken back unless wanted; surplus, which is taken back likewise though
    what brought it is declared still; claimed, to be left as it is; owned wholly, so that whatever nobody declares is
    taken away.
    """  # noqa: D205 - one sentence

    WANTED = "wanted"
    RECORDED = "recorded"
    SURPLUS = "surplus"
    CLAIMED = "claimed"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class Wish:
    """One key's word about privileges of `roles` on objects of `kinds` in a schema (the database's oid: on itself).

    `objects` None means all of them, less `excluded`, and less what belongs to extensions unless `extended`. `columns`
    only counts for columns. `owners` are those whose objects are meant, None for everybody's; `auto` when they were
    found, not named.
    """

    key: Key
    standing: Standing
    kinds: frozenset[ObjectKind]
    schema: int
    roles: frozenset[int]
    mask: int
    objects: frozenset[int] | None = None
    excluded: frozenset[int] = frozenset()
    columns: frozenset[str] = frozenset()
    future: bool = False
    owners: frozenset[int] | None = None
    auto: bool = False
    extended: bool = False

    def of_owner(self, owner: int) -> bool:
        """Whether it is about objects of this role."""
        return self.owners is None or owner in self.owners

    def concerns(self, group: AclGroup) -> bool:
        """Whether it is about this group, of the schema and kind that it is for."""
        whole = group.future or self.objects is not None or self.extended or not group.extended
        return whole and self.of_owner(group.owner)

    def covers(self, oid: int) -> bool:
        """Whether it is about this object, of the schema and kind that it is for."""
        return oid in self.objects if self.objects is not None else oid not in self.excluded
