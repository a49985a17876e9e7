"""Properties of the decisions about grants, over made-up databases."""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import Enforcement, ObjectKind
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.grants.changes.operations import Operation, Verb
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant, Plan, plan
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, entries_from, ledger_of
from cloudsql_iam_operator.core.grants.desired.privileges import BITS, OPTION_SHIFT, PLAIN, with_option
from cloudsql_iam_operator.core.grants.desired.written import recorded, rendered
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Catalog, Holding, Role, Server, Snapshot
from support.granting.wording import NOTHING, caused, key, table, want

OWNER, OPERATOR, DELEGATE = 10, 11, 12
ROLES = {"x": 20, "y": 21, "z": 22}
SCHEMAS = {"app": 100, "audit": 101}
TABLES = {("app", f"t{i}"): 1000 + i for i in range(4)} | {("audit", f"t{i}"): 1010 + i for i in range(3)}
PRIVILEGES = ("SELECT", "INSERT", "UPDATE")

Acl = Mapping[int, tuple[Holding, ...]]


def snapshot(acls: Mapping[int, Acl]) -> Snapshot:
    """A database whose tables have these rights, in groups of one."""
    places = {oid: SCHEMAS[schema] for (schema, _), oid in TABLES.items()}
    groups = [
        AclGroup(ObjectKind.TABLE, places[oid], OWNER, (oid,), acls.get(oid, {}), lockable=True)
        for oid in sorted(TABLES.values())
    ]
    roles = {
        "owner": Role(OWNER, "owner", False, False, False, True),
        "op": Role(OPERATOR, "op", False, False, True, True),
        "delegate": Role(DELEGATE, "delegate", False, False, False, True),
        **{name: Role(oid, name, False, False, False, False) for name, oid in ROLES.items()},
    }
    server = Server(17, "orders", 1, OWNER, OPERATOR, OPERATOR, False, "one")
    names = {(Catalog.RELATION, schema, name): oid for (schema, name), oid in TABLES.items()}
    return Snapshot(server, roles, (), SCHEMAS, tuple(groups), names)


def folded(of: Snapshot) -> Snapshot:
    """The same database with equal tables in one group, as a real look gives it."""
    alike: dict[tuple[int, str], list[AclGroup]] = {}
    for group in of.groups:
        alike.setdefault((group.schema, repr(sorted(group.acl.items()))), []).append(group)
    groups = [replace(same[0], members=tuple(g.members[0] for g in same)) for same in alike.values()]
    return replace(of, groups=tuple(groups))


def planned(wants: Mapping[Key, GrantWant], of: Snapshot, claims: Mapping[Key, Ledger] | None = None) -> Plan:
    return plan(wants, claims or {}, of, Reach(of, ("owner", "delegate")))


def after(acls: Mapping[int, Acl], operations: Iterable[Operation]) -> dict[int, dict[int, tuple[Holding, ...]]]:
    """What PostgreSQL would hold after the operations."""
    held = {oid: {role: {h.grantor: h.mask for h in hs} for role, hs in acl.items()} for oid, acl in acls.items()}
    for op in sorted(operations, key=lambda op: op.verb is not Verb.GRANT):
        for oid, role in itertools.product(op.objects, op.roles):
            by = held.setdefault(oid, {}).setdefault(role, {})
            mask = by.get(op.grantor, 0)
            if op.verb is Verb.GRANT:
                by[op.grantor] = mask | (with_option(op.mask) if op.option else op.mask)
            elif op.verb is Verb.REVOKE:
                by[op.grantor] = mask & ~with_option(op.mask)
            else:
                by[op.grantor] = mask & ~(op.mask << OPTION_SHIFT)
    return {
        oid: {
            role: tuple(Holding(grantor, mask) for grantor, mask in sorted(by.items()) if mask)
            for role, by in acl.items()
        }
        for oid, acl in held.items()
    }


masks = st.sets(st.sampled_from(PRIVILEGES)).map(lambda names: sum(BITS[name] for name in names))
holdings = st.dictionaries(st.sampled_from([OWNER, DELEGATE]), masks, max_size=2).map(
    lambda by: tuple(Holding(grantor, mask) for grantor, mask in sorted(by.items()) if mask)
)
acls_of_tables = st.dictionaries(
    st.sampled_from(sorted(TABLES.values())),
    st.dictionaries(st.sampled_from([OWNER, *ROLES.values()]), holdings, max_size=4),
)
entries = st.builds(
    Entry,
    kind=st.just(ObjectKind.TABLE),
    roles=st.sets(st.sampled_from(["owner", *sorted(ROLES)]), min_size=1).map(lambda names: tuple(sorted(names))),
    privileges=st.sets(st.sampled_from(PRIVILEGES), min_size=1).map(lambda names: tuple(sorted(names))),
    schema=st.sampled_from(sorted(SCHEMAS)),
    names=st.one_of(
        st.just(("*",)),
        st.sets(st.sampled_from(["t0", "t1", "t2"]), min_size=1).map(lambda names: tuple(sorted(names))),
    ),
    option=st.booleans(),
)
declarations = st.lists(entries, max_size=3).map(lambda every: Entries(tuple(every)))
granting = st.builds(
    GrantWant,
    entries=declarations,
    ledger=declarations.map(ledger_of),
    enforcement=st.sampled_from(Enforcement),
)
few = settings(max_examples=40)
wants_of_many = st.dictionaries(st.sampled_from([key("a"), key("b"), key("c")]), granting, min_size=1)


@few
@given(acls_of_tables, wants_of_many)
def test_all_that_is_declared_is_held_after_the_plan(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    done = planned(wants, snapshot(acls))

    held = snapshot(after(acls, done.operations))
    assert all(observed.missing == 0 for observed in planned(wants, held).observed.values())


@few
@given(acls_of_tables, wants_of_many)
def test_a_second_plan_is_empty(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    first = planned(wants, snapshot(acls))

    second = planned(wants, snapshot(after(acls, first.operations)))

    assert second.operations == ()


@few
@given(acls_of_tables, wants_of_many)
def test_no_operation_touches_what_the_owner_holds(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    done = planned(wants, snapshot(acls))

    assert all(OWNER not in op.roles for op in done.operations)


@few
@given(acls_of_tables, wants_of_many)
def test_only_exclusive_takes_what_somebody_else_gave(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    done = planned(wants, snapshot(acls))

    exclusive = {key for key, wanted in wants.items() if wanted.enforcement is Enforcement.EXCLUSIVE}
    assert all(op.keys <= exclusive for op in done.operations if op.verb is not Verb.GRANT and op.grantor != OWNER)


@few
@given(acls_of_tables, wants_of_many)
def test_additive_takes_nothing(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    done = planned(wants, snapshot(acls))

    additive = {key for key, wanted in wants.items() if wanted.enforcement is Enforcement.ADDITIVE}
    assert all(not op.keys & additive for op in done.operations if op.verb is not Verb.GRANT)


@few
@given(acls_of_tables, wants_of_many)
def test_nothing_is_granted_that_is_held_and_nothing_revoked_that_is_not(
    acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]
) -> None:
    done = planned(wants, snapshot(acls))

    for op in done.operations:
        for oid, role in itertools.product(op.objects, op.roles):
            by = {h.grantor: h.mask for h in acls.get(oid, {}).get(role, ())}
            held = by.get(OWNER, 0) | by.get(DELEGATE, 0)
            if op.verb is Verb.GRANT:
                assert not op.mask & (held >> OPTION_SHIFT if op.option else held & PLAIN)
            else:
                assert op.mask & by[op.grantor] == op.mask or op.verb is Verb.TAKE_OPTION


@few
@given(acls_of_tables, wants_of_many)
def test_the_order_of_objects_means_nothing(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    backwards = dict(reversed(list(wants.items())))

    assert planned(wants, snapshot(acls)).operations == planned(backwards, snapshot(acls)).operations


@few
@given(acls_of_tables, wants_of_many)
def test_equal_objects_in_one_group_come_to_the_same(acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant]) -> None:
    single = planned(wants, snapshot(acls))
    grouped = planned(wants, folded(snapshot(acls)))

    assert after(acls, single.operations) == after(acls, grouped.operations)
    assert single.observed == grouped.observed


@few
@given(acls_of_tables, wants_of_many, declarations)
def test_nothing_that_a_claim_holds_is_revoked(
    acls: Mapping[int, Acl], wants: Mapping[Key, GrantWant], claimed: Entries
) -> None:
    ledger = ledger_of(claimed)
    done = planned(wants, snapshot(acls), {key("claimant"): ledger})

    before = planned({key("claimant"): GrantWant(claimed)}, snapshot(acls)).observed[key("claimant")]
    then = planned({key("claimant"): GrantWant(claimed)}, snapshot(after(acls, done.operations)))
    assert then.observed[key("claimant")].held >= before.held


@few
@given(acls_of_tables, declarations)
def test_granting_and_deleting_takes_back_all_that_was_declared(acls: Mapping[int, Acl], declared: Entries) -> None:
    only = key("only")
    granted = after(acls, planned({only: GrantWant(declared)}, snapshot(acls)).operations)

    gone = planned({only: GrantWant(NOTHING, ledger_of(declared))}, snapshot(granted))

    left = snapshot(after(granted, gone.operations))
    assert planned({only: GrantWant(NOTHING, ledger_of(declared))}, left).operations == ()


@few
@given(declarations)
def test_a_ledger_survives_its_way_through_a_status(declared: Entries) -> None:
    ledger = ledger_of(declared)

    assert recorded(rendered(ledger)) == ledger
    assert ledger_of(entries_from(ledger)) == ledger


def test_two_narrowed_objects_do_not_hold_each_others_leftovers() -> None:
    held = {1000: {20: (Holding(OWNER, BITS["UPDATE"]),)}}
    ledger = caused(table("UPDATE", names=("t0",)))
    wants = {key("a"): GrantWant(NOTHING, ledger), key("b"): GrantWant(NOTHING, ledger)}

    done = planned(wants, snapshot(held))

    assert [(op.verb, op.objects, op.keys) for op in done.operations] == [
        (Verb.REVOKE, (1000,), frozenset({key("a"), key("b")}))
    ]


def test_provenance_names_only_the_keys_that_want_what_is_missing() -> None:
    wants = {key("a"): want(table("SELECT", names=("t0",))), key("b"): want(table("INSERT", names=("t1",)))}

    done = planned(wants, snapshot({}))

    assert [(op.objects, op.keys) for op in done.operations] == [
        ((1000,), frozenset({key("a")})),
        ((1001,), frozenset({key("b")})),
    ]
