"""Neighbourhoods: a plan over one is for its keys the plan over everything, and touches nobody else."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.caused.neighbourhood import Neighbourhood, mentioned, neighbourhood
from cloudsql_iam_operator.core.grants.changes.operations import MembershipOperation, Operation, Verb
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry, RoleEntry
from cloudsql_iam_operator.core.grants.desired.ledger import KNOWN, AppliedEntry, Ledger, ledger_of, roles_in, united
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.identities import ROLE
from cloudsql_iam_operator.core.grants.observed.snapshot import Holding, Role, Snapshot
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.wording import NOTHING, caused, key, table, want
from unit.core.grants.test_plan import OWNER, PRIVILEGES, SCHEMAS, TABLES, Acl, holdings, planned, snapshot

GRANTEES = {f"r{number}": 40 + number for number in range(8)}
KEYS = [key(name) for name in "abcdefgh"]

acls_of_tables = st.dictionaries(
    st.sampled_from(sorted(TABLES.values())),
    st.dictionaries(st.sampled_from(sorted(GRANTEES.values())), holdings, max_size=8),
)
privileges = st.sets(st.sampled_from(PRIVILEGES), min_size=1).map(lambda names: tuple(sorted(names)))
names = st.one_of(
    st.just(("*",)),
    st.sets(st.sampled_from(["t0", "t1", "t2"]), min_size=1).map(lambda some: tuple(sorted(some))),
)


def wants_of(key: Key) -> st.SearchStrategy[GrantWant]:
    """Wants of a key, most of them for the role of its own number, some for the next one too."""
    number = KEYS.index(key)
    own, both = (f"r{number}",), tuple(sorted((f"r{number}", f"r{(number + 1) % 8}")))
    entries = st.builds(
        Entry,
        kind=st.just(ObjectKind.TABLE),
        roles=st.sampled_from([own, own, own, both]),
        privileges=privileges,
        schema=st.sampled_from(sorted(SCHEMAS)),
        names=names,
        option=st.booleans(),
    )
    declared = st.lists(entries, max_size=2).map(lambda every: Entries(tuple(every)))
    ledgers = declared.map(ledger_of)
    return st.builds(
        GrantWant, entries=declared, ledger=ledgers, enforcement=st.sampled_from(Enforcement), found=ledgers
    )


wants_of_all = st.fixed_dictionaries({one: wants_of(one) for one in KEYS})
claims_of_few = st.dictionaries(
    st.sampled_from([key("x"), key("y")]), st.sampled_from(KEYS).flatmap(wants_of).map(lambda one: one.ledger)
)
sought_keys = st.sets(st.sampled_from(KEYS), min_size=1, max_size=3).map(frozenset)


def peopled(of: Snapshot) -> Snapshot:
    """The database with all grantees."""
    grantees = {name: Role(oid, name, False, False, False, False) for name, oid in GRANTEES.items()}
    return replace(of, roles={**of.roles, **grantees})


def single(operations: Iterable[Operation]) -> set[tuple[frozenset[Key], object]]:
    """Operations in parts that cannot be divided, with their keys."""
    return {
        (op.keys, (op.verb, oid, role, bit, op.grantor, op.option))
        for op in operations
        for oid, role, bit in itertools.product(op.objects, op.roles, (BITS[name] for name in PRIVILEGES))
        if op.mask & bit
    }


def about(found: Plan, keys: Iterable[Key]) -> object:
    """All that a plan says of some keys."""
    return {
        one: (
            single(found.caused_by(one).operations),
            found.observed[one],
            found.problems.get(one, ()),
            found.residual.get(one, ()),
            found.notes.get(one, ()),
        )
        for one in keys
    }


@settings(max_examples=300)
@given(acls_of_tables, wants_of_all, claims_of_few, sought_keys)
def test_a_plan_over_a_neighbourhood_is_that_part_of_the_whole_plan(
    acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger], sought: frozenset[Key]
) -> None:
    of = peopled(snapshot(acls))
    near = neighbourhood(sought, wants, claims)
    if near is None:
        return

    few, whole = planned(near.wants, of, near.claims), planned(wants, of, claims)

    assert sought <= near.wants.keys()
    assert about(few, near.wants) == about(whole, near.wants)
    assert single(few.operations) == {one for one in single(whole.operations) if one[0] & near.wants.keys()}
    assert {role for op in few.operations for role in op.roles} <= {GRANTEES[role] for role in near.roles}


@settings(max_examples=100)
@given(wants_of_all, claims_of_few, sought_keys)
def test_who_is_left_out_has_no_role_in_common_with_who_is_not(
    wants: Mapping[Key, GrantWant], claims: Mapping[Key, Ledger], sought: frozenset[Key]
) -> None:
    near = neighbourhood(sought, wants, claims)
    if near is None:
        return

    out = [mentioned(wanted) for one, wanted in wants.items() if one not in near.wants]
    out += [roles_in(ledger) for one, ledger in claims.items() if one not in near.claims]
    assert near.roles.isdisjoint(frozenset[str]().union(*out))
    assert 2 * len(near.wants) <= len(wants)


MANY = {key(f"other{number}"): want(table("SELECT", to=(f"s{number}",))) for number in range(6)}


def near(one: GrantWant, claims: Mapping[Key, Ledger] | None = None) -> Neighbourhood | None:
    """The neighbourhood of one more want among many others."""
    return neighbourhood(frozenset({key("a")}), {**MANY, key("a"): one}, claims or {})


def test_what_is_about_everybody_or_has_a_plan_or_new_members_takes_a_whole_pass() -> None:
    everybody = Entries(public=(Entry(ObjectKind.SCHEMA, (), ("USAGE",), "app"),))
    member = RoleEntry("club", ("r0",))

    assert near(GrantWant(everybody)) is None
    assert near(replace(want(table("SELECT", to=("r0",))), dry=True)) is None
    assert near(want(member)) is None
    assert near(want(ledger=caused(member))) is None
    assert near(want(member, ledger=caused(member))) is not None
    assert near(want(table("SELECT", to=("r0",)))) is not None


def test_one_in_the_neighbourhood_that_is_about_everybody_takes_a_whole_pass() -> None:
    public = Entries((table("SELECT", to=("r0",)),), public=(Entry(ObjectKind.SCHEMA, (), ("USAGE",), "app"),))
    wants = {**MANY, key("a"): want(table("SELECT", to=("r0",))), key("b"): GrantWant(public)}

    assert neighbourhood(frozenset({key("a")}), wants, {}) is None
    assert neighbourhood(frozenset({key("other1")}), wants, {}) is not None


def test_a_key_that_holds_something_for_a_role_is_a_neighbour_of_who_declares_it() -> None:
    leaving = GrantWant(NOTHING, caused(table("SELECT", to=("r0", "r1"))))
    wants = {**MANY, key("a"): want(table("SELECT", to=("r0",))), key("b"): leaving}

    found = neighbourhood(frozenset({key("a")}), wants, {})

    assert found is not None
    assert (set(found.wants), set(found.roles)) == ({key("a"), key("b")}, {"r0", "r1"})


def test_what_is_done_that_others_have_to_do_with_takes_a_whole_pass() -> None:
    found = near(want(table("SELECT", to=("r0",))))
    assert found is not None
    of = peopled(snapshot({}))
    done = planned(found.wants, of)
    creating = tuple(replace(op, mask=BITS["CREATE"]) for op in done.operations)
    cascading = tuple(replace(op, verb=Verb.REVOKE, cascade=True) for op in done.operations)
    crowded = {key("a"): (Problem(Reason.TOO_MANY_GRANTEES, "full"),)}

    assert not found.is_left_by(done, of)
    assert found.is_left_by(replace(done, operations=creating), of)
    assert found.is_left_by(replace(done, operations=cascading), of)
    assert found.is_left_by(replace(done, memberships=(MembershipOperation(True, 40, 41, frozenset()),)), of)
    assert found.is_left_by(replace(done, advice={key("a"): ("slow",)}), of)
    assert found.is_left_by(replace(done, problems=crowded), of)


def test_a_role_that_is_called_otherwise_than_on_record_concerns_whoever_has_its_name_now() -> None:
    known = AppliedEntry(KNOWN + ROLE, (), (), "", ("was_r0",), oid=40)
    renamed = united(caused(table("SELECT", to=("was_r0",))), {known})
    of = peopled(snapshot({1000: {40: (Holding(OWNER, BITS["SELECT"]),)}}))
    by_new_name = near(want(table("SELECT", to=("r0",))), {key("x"): renamed})
    by_old_name = near(want(ledger=renamed))
    another = near(want(table("SELECT", to=("r1",))), {key("x"): renamed})

    assert by_new_name is not None
    assert by_old_name is not None
    assert another is not None
    assert by_new_name.is_left_by(planned(by_new_name.wants, of), of)
    assert by_old_name.is_left_by(planned(by_old_name.wants, of), of)
    assert not another.is_left_by(planned(another.wants, of), of)
