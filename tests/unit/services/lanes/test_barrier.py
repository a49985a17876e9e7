"""One key for which nothing can be decided stops no other."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.services.lanes.barrier import Claims, Wants, sound
from support.granting.wording import caused, key, table, want

NAMES = "abcdefgh"
LEDGER = caused(table("SELECT"))


@given(st.frozensets(st.sampled_from(NAMES)))
def test_exactly_the_faulty_ones_are_left_out(bad: frozenset[str]) -> None:
    def decide(wants: Wants, claims: Claims) -> None:
        if any(one.name in bad for one in wants):
            raise KeyError(bad)

    kept = sound({key(name): want(table("SELECT"), ledger=LEDGER) for name in NAMES}, {}, decide)

    assert {one.name for one in kept.wants} == set(NAMES) - bad
    assert {one.name for one in kept.faults} == bad
    assert {one.name for one in kept.claims} == bad, "what they have on record stays"


def test_a_claim_that_cannot_be_decided_on_claims_nothing() -> None:
    def decide(wants: Wants, claims: Claims) -> None:
        if key("b") in claims:
            raise ValueError("b")

    kept = sound({key("a"): want(table("SELECT"))}, {key("b"): LEDGER, key("c"): LEDGER}, decide)

    assert (set(kept.wants), set(kept.claims), kept.faults) == ({key("a")}, {key("c")}, {})


def test_of_two_that_only_fail_together_one_is_kept() -> None:
    def decide(wants: Wants, claims: Claims) -> None:
        if any({one.name, other.name} == {"c", "f"} for one, other in combinations(wants, 2)):
            raise KeyError("both")

    kept = sound({key(name): want(table("SELECT")) for name in NAMES}, {}, decide)

    assert {one.name for one in kept.faults} == {"f"}


def test_a_fault_that_is_no_keys_is_raised() -> None:
    def decide(wants: Wants, claims: Claims) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sound({key("a"): want(table("SELECT"))}, {}, decide)
