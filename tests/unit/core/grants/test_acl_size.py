"""Many grantees on one table: advised against, and refused before PostgreSQL does."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.changes.operations import Verb
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan, plan
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Catalog, Holding, Role, Server, Snapshot
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.wording import NOTHING, caused, key, table, want

TABLE, OWNER, SCHEMA = 1000, 10, 100
PRIVILEGES = ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE")


def planned(*wants: GrantWant, held: int = 0, strangers: int = 0) -> Plan:
    """A table on which the first `held` roles hold SELECT and so many strangers something."""
    known = {role for each in wants for role in each.entries.roles}
    names = sorted(known.union(role for each in wants for entry in each.ledger for role in entry.roles))
    roles = {name: Role(5000 + i, name, False, False, False, False) for i, name in enumerate(names)}
    server = Server(17, "orders", 1, OWNER, 11, 11, False, "one")
    owner = Role(OWNER, "owner", False, False, True, True)
    acl = {5000 + i: (Holding(OWNER, BITS["SELECT"]),) for i in range(held)}
    group = AclGroup(ObjectKind.TABLE, SCHEMA, OWNER, (TABLE,), acl, lockable=True, entries=held + strangers)
    empty = Snapshot(server, {**roles, "owner": owner}, (), {"app": SCHEMA}, (group,))
    seen = replace(empty, names={(Catalog.RELATION, "app", "t"): TABLE})
    keys = (key(name) for name in "abcdef")
    return plan(dict(zip(keys, wants, strict=False)), {}, seen, Reach(seen, ()))


def grantees(number: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"r{i:04}" for i in range(first, first + number))


def selecting(number: int, first: int = 0) -> GrantWant:
    return want(table("SELECT", to=grantees(number, first), names=("t",)))


def unlike(number: int) -> GrantWant:
    """A hundred different sets of privileges, one role after the other."""
    sets = [tuple(p for bit, p in enumerate(PRIVILEGES) if n >> bit & 1) for n in range(1, 101)]
    return want(*(table(*sets[i % 100], to=(name,), names=("t",)) for i, name in enumerate(grantees(number))))


def reasons(plan_: Plan, name: str) -> list[Reason]:
    return [problem.reason for problem in plan_.problems[key(name)]]


@pytest.mark.parametrize(("number", "advised"), [(500, 0), (501, 1), (2300, 1)])
def test_a_role_for_all_is_advised_above_five_hundred_grantees(number: int, advised: int) -> None:
    done = planned(selecting(number))

    assert len(done.advice[key("a")]) == advised
    assert sum(operation.size for operation in done.operations) == number
    assert done.problems[key("a")] == ()


def test_more_grantees_than_a_row_holds_are_refused_before_any_statement() -> None:
    done = planned(selecting(2301))

    assert done.operations == ()
    assert reasons(done, "a") == [Reason.TOO_MANY_GRANTEES]
    assert "2301 grantees, and 2300 are the most" in done.problems[key("a")][0].message
    assert (done.observed[key("a")].desired, done.observed[key("a")].missing) == (2301, 2301)


def test_fewer_fit_when_hardly_two_have_equal_rights() -> None:
    assert reasons(planned(unlike(1100)), "a") == []
    assert reasons(planned(unlike(1101)), "a") == [Reason.TOO_MANY_GRANTEES]


def test_grantees_of_others_take_their_room_too() -> None:
    assert reasons(planned(selecting(600), strangers=500), "a") == []
    assert reasons(planned(selecting(600), strangers=501), "a") == [Reason.TOO_MANY_GRANTEES]


def test_an_object_for_which_there_is_no_room_stops_no_smaller_one() -> None:
    done = planned(selecting(2300), selecting(1, first=9000))

    assert (reasons(done, "a"), reasons(done, "b")) == ([Reason.TOO_MANY_GRANTEES], [])
    assert sum(operation.size for operation in done.operations) == 1


def test_who_is_on_a_full_table_can_be_given_more_there_and_can_lose_it() -> None:
    more = want(table("INSERT", "SELECT", to=grantees(2400), names=("t",)))
    gone = GrantWant(NOTHING, caused(table("SELECT", to=grantees(2400), names=("t",))))

    assert sum(op.size for op in planned(more, held=2400).operations) == 2400
    assert [op.verb for op in planned(gone, selecting(2400), held=2400).operations] == []
    kept = planned(gone, want(table("SELECT", to=grantees(2390), names=("t",))), selecting(30, 9000), held=2400)
    assert [(op.verb, op.size) for op in kept.operations] == [(Verb.REVOKE, 10)]
