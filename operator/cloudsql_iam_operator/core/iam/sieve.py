"""Which of many new bindings a policy cannot take, found by ever smaller groups of them. Nothing is tried here."""

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudsql_iam_operator.core.iam.bindings import Binding, folded

Group = frozenset[Binding]


@dataclass(order=True, slots=True)
class _Queued:
    turn: tuple[int, int]
    group: Group = field(compare=False)


class Sieve:
    """Groups of suspects still to be tried, one after another; it may be left and taken up again.

    All bindings of one member stand and fall together: a login needs each of its roles. A group of several tenants is
    divided between them first, and then each tenant's groups take turns: whoever brings a thousand bindings that are
    refused makes only its own others wait.
    """

    def __init__(self) -> None:
        self._queue: list[_Queued] = []
        self._tenants: dict[Binding, str] = {}
        self._tries: Counter[str] = Counter()
        self._number = 0

    @property
    def suspects(self) -> Group:
        """All that are still to be tried."""
        return frozenset(binding for queued in self._queue for binding in queued.group)

    def suspect(self, group: Iterable[Binding], tenants: Mapping[Binding, str], named: Group = frozenset()) -> Group:
        """Take in a group that was refused; those whose guilt that shows: the ones that were named, or the only one."""
        members = frozenset(group)
        self._tenants |= {binding: tenants[binding] for binding in members}
        return self._divided(members, named)

    def offer(self, group: Iterable[Binding], tenants: Mapping[Binding, str]) -> None:
        """Take in a group that is to be tried as it is."""
        members = frozenset(group)
        self._tenants |= {binding: tenants[binding] for binding in members}
        self._push(members)

    def keep(self, wanted: Group) -> None:
        """Leave aside whoever is not wanted any more."""
        groups = [queued.group & wanted for queued in self._queue]
        self._queue = []
        self._tenants = {binding: tenant for binding, tenant in self._tenants.items() if binding in wanted}
        for group in groups:
            self._push(group)
        if not self._queue:
            self._tries.clear()

    def next(self) -> Group | None:
        """The group whose turn it is, which leaves the sieve; None when all were tried."""
        if not self._queue:
            return None
        group = heapq.heappop(self._queue).group
        for tenant in self._of(group):
            self._tries[tenant] += 1
        return group

    def refused(self, group: Group, named: Group = frozenset()) -> Group:
        """Note that a group was refused; those whose guilt that shows."""
        return self._divided(group, named)

    def _divided(self, group: Group, named: Group) -> Group:
        guilty = named & group or (group if len(_members(group)) <= 1 else frozenset())
        rest = group - guilty
        # a name clears nobody else; but one tenant's rest is tried whole, for there the next name comes as cheaply
        whole = guilty and len(self._of(rest)) == 1
        for part in (rest,) if whole else self._halves(rest):
            self._push(part)
        return guilty

    def _halves(self, group: Group) -> tuple[Group, Group]:
        tenants = sorted(self._of(group))
        if len(tenants) > 1:
            first = set(tenants[: len(tenants) // 2])
            former = frozenset(binding for binding in group if self._tenants[binding] in first)
            return former, group - former
        members = sorted(_members(group))
        first = set(members[: len(members) // 2])
        former = frozenset(binding for binding in group if folded(binding.member) in first)
        return former, group - former

    def _push(self, group: Group) -> None:
        if not group:
            return
        tenants = self._of(group)
        turn = -1 if len(tenants) > 1 else self._tries[next(iter(tenants))]
        self._number += 1
        heapq.heappush(self._queue, _Queued((turn, self._number), group))

    def _of(self, group: Group) -> frozenset[str]:
        return frozenset(self._tenants[binding] for binding in group)


def _members(group: Group) -> set[str]:
    return {folded(binding.member) for binding in group}
