"""The record of what an object caused: exact whatever it is united with, and no larger than what was declared."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import RoleRef
from cloudsql_iam_operator.api.parsing.objects import parse_grant
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.desired.entries import Entries, entries_of
from cloudsql_iam_operator.core.grants.desired.ledger import (
    AppliedEntry,
    Ledger,
    entries_from,
    ledger_of,
    less,
    of_roles,
    united,
)
from cloudsql_iam_operator.core.grants.desired.written import check_size, recorded, rendered

ABOUT = {"uid": "u", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z", "name": "g", "namespace": "team"}


def some(choices: str) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(choices), min_size=1).map(lambda names: tuple(sorted(names)))


entries = st.builds(
    AppliedEntry,
    kind=st.just("Table"),
    roles=some("xyz"),
    privileges=st.sampled_from([("SELECT",), ("INSERT", "SELECT")]),
    schema=st.sampled_from(["app", "audit"]),
    names=st.one_of(st.just(("*",)), some("abc")),
)
ledgers = st.frozensets(entries, max_size=6)


def pairs(ledger: Ledger) -> set[AppliedEntry]:
    """The record written out: one entry for each role and name."""
    return {
        replace(entry, roles=(role,), names=(name,))
        for entry in ledger
        for role, name in itertools.product(entry.roles, entry.names)
    }


def declared(grantees: int, **spec: Any) -> tuple[Entries, int]:
    """What an object declares, and its spec's size as JSON in bytes."""
    names = [f"service-{number:03}-reader@acme-production.iam" for number in range(grantees)]
    whole = {"instanceRef": {"name": "main"}, "database": "orders", "grantees": [{"role": n} for n in names], **spec}
    parsed = parse_grant({"metadata": ABOUT, "spec": whole})
    return entries_of(parsed, {RoleRef(name): name for name in names}), size(whole)


def size(value: object) -> int:
    return len(json.dumps(value, separators=(",", ":")))


def tables(entry: int, names: int, *, schemas: Any = 1, **words: Any) -> dict[str, Any]:
    return {
        "kind": "Table",
        "schemas": [f"schema_{number:03}" for number in range(schemas)],
        "names": [f"table_with_a_usual_name_{entry}_{number:03}" for number in range(names)] or ["*"],
        "privileges": ["SELECT", "INSERT", "UPDATE", "DELETE"],
        **words,
    }


@given(ledgers, ledgers)
def test_a_union_records_each_pair_that_one_of_the_two_does_and_no_other(one: Ledger, other: Ledger) -> None:
    assert pairs(united(one, other)) == pairs(one) | pairs(other)


@given(ledgers, ledgers)
def test_what_is_on_record_already_changes_no_record(one: Ledger, other: Ledger) -> None:
    both = united(one, other)

    assert united(both, united(one)) == both
    assert recorded(rendered(both)) == both


@given(ledgers, ledgers)
def test_a_difference_is_exact_for_each_role_and_name(one: Ledger, other: Ledger) -> None:
    assert pairs(less(one, other)) == pairs(one) - pairs(other)


@given(ledgers)
def test_a_part_of_the_roles_is_all_that_is_recorded_for_them(ledger: Ledger) -> None:
    assert pairs(of_roles(ledger, lambda role: role == "x")) == {one for one in pairs(ledger) if one.roles == ("x",)}


@given(ledgers)
def test_entries_made_of_a_record_are_recorded_as_it_is(ledger: Ledger) -> None:
    assert ledger_of(entries_from(ledger)) == united(ledger)


@pytest.mark.parametrize(
    ("grantees", "spec"),
    [
        (100, {"grants": [tables(0, 100)]}),
        (100, {"grants": [tables(entry, 20) for entry in range(5)]}),
        (20, {"grants": [tables(entry, 100) for entry in range(10)]}),
        (100, {"grants": [tables(0, 0, schemas=100)]}),
        (100, {"grants": [tables(0, 0, **{"except": [f"left_out_{number:03}_*" for number in range(100)]})]}),
        (30, {"grants": [tables(0, 0, schemas=13, **{"except": [f"out_{n:03}_*" for n in range(50)]})]}),
        (5, {"grants": [tables(0, 20, kind="Column", privileges=["SELECT"], columns=[f"c{n}" for n in range(200)])]}),
        (100, {"preset": "write", "schemas": [f"schema_{number:03}" for number in range(33)]}),
        (100, {"memberships": [{"role": f"role_{number:02}"} for number in range(50)]}),
    ],
    ids=["names", "entries", "more entries", "schemas", "except", "except of schemas", "columns", "preset", "roles"],
)
def test_a_record_is_no_larger_than_the_spec(grantees: int, spec: dict[str, Any]) -> None:
    everything, written = declared(grantees, **spec)

    assert size(rendered(ledger_of(everything))) <= written + 1024


def test_a_record_that_a_status_cannot_hold_is_refused_with_a_way_out() -> None:
    names = tuple(f"a_table_whose_name_is_rather_long_{number:05}" for number in range(8_000))

    with pytest.raises(Refused, match=r"would take \d+ KiB of its status, and 256 KiB are the most: split it"):
        check_size(frozenset({AppliedEntry("Table", ("x",), ("SELECT",), "app", names)}))


def test_what_the_names_of_a_database_stand_for_is_kept_once_for_all_records() -> None:
    def told(role: str) -> Ledger:
        place = {"grants": [{"kind": "Table", "names": ["a"], "privileges": ["SELECT"]}], "schemas": ["app"]}
        names = {"kind": "table", "schema": "app", "names": ["a", "b"], "oids": ["17", "18"]}
        return recorded([{"roles": [role], "places": [place]}, {"oids": [names]} | {"places": []}])

    ann, bob = ({entry for entry in told(role) if entry.oid} for role in ("ann", "bob"))

    assert len(ann) == 2
    assert {id(entry) for entry in ann} == {id(entry) for entry in bob}
