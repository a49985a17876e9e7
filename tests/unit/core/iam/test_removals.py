"""Removals that wait for a person: which, for how long, and what allows them."""

from collections.abc import Iterable

import pytest

from cloudsql_iam_operator.core.iam.bindings import BindingRef
from cloudsql_iam_operator.core.iam.removals import WINDOW, Brake, Consent, Loser, Removal, Waiting, stopped

ALLOWED = 10
DELETED = Loser(asked=True, instance="orders")


def removals(count: int, loser: Loser, *, first: int = 0, tenant: str = "a") -> list[Removal]:
    """What so many members of a tenant lose."""
    numbers = range(first, first + count)
    return [Removal(BindingRef(f"user:{tenant}{number}@acme.com", "r"), tenant, loser) for number in numbers]


def unasked(
    count: int, *, first: int = 0, tenant: str = "a", instance: str = "orders", waited: bool = False
) -> list[Removal]:
    """What nobody asked for by name."""
    return removals(count, Loser(asked=False, instance=instance, waited=waited), first=first, tenant=tenant)


def limited(count: int, limit: int | None, *, first: int = 0) -> list[Removal]:
    """Deletions on an instance with a limit."""
    return removals(count, Loser(asked=True, instance="orders", limit=limit), first=first)


class Passes:
    """One process's brake, pass by pass: what is not held is made."""

    def __init__(self) -> None:
        self._brake = Brake()
        self.now = 0.0
        self.consents: dict[str, Consent] = {}

    def held(self, asked: Iterable[Removal]) -> int:
        """How many removals wait after a pass that would make these."""
        every = list(asked)
        held = self._brake.hold(every, ALLOWED, self.consents, self.now)
        self._brake.made([one for one in every if one.ref not in held], self.now)
        return len(held)

    def hash(self, instance: str = "orders") -> str:
        """What a person is shown."""
        return self._brake.waiting[instance].hash

    def used(self, instance: str = "orders") -> str:
        """The consent that was used up."""
        return self._brake.used(instance)


def test_removals_are_stopped_by_tenant_and_never_when_they_are_asked_for() -> None:
    assert stopped(removals(500, DELETED), ALLOWED) == frozenset()
    assert {ref.member[:6] for ref in stopped([*unasked(11), *unasked(10, tenant="b")], ALLOWED)} == {"user:a"}
    assert len(stopped([*unasked(6), *unasked(6, tenant="b")], ALLOWED)) == 12
    assert stopped(unasked(10), ALLOWED) == frozenset()


def test_what_waits_goes_on_waiting_when_time_passes_and_when_less_of_it_is_left() -> None:
    passes = Passes()

    assert passes.held(unasked(11)) == 11
    passes.now += 2 * WINDOW
    assert passes.held(unasked(11)) == 11
    assert passes.held(unasked(3)) == 3


def test_what_waited_goes_on_waiting_in_a_new_process_that_hears_of_a_few_at_a_time() -> None:
    passes = Passes()

    assert passes.held(unasked(4, waited=True)) == 4
    assert passes.held(unasked(11, waited=True)) == 11
    passes.consents = {"orders": Consent(passes.hash())}
    assert passes.held(unasked(11, waited=True)) == 0


def test_whoever_waits_and_is_deleted_waits_no_more() -> None:
    passes = Passes()

    assert passes.held(unasked(11)) == 11
    assert passes.held([*unasked(10), *removals(1, DELETED, first=10)]) == 10


@pytest.mark.parametrize(
    ("limit", "deletions", "held"),
    [(None, 500, 0), (0, 1, 1), (1, 1, 0), (1, 2, 2), (20, 20, 0), (20, 21, 21), (1500, 1500, 0)],
)
def test_deletions_beyond_the_limit_of_their_instance_wait(limit: int | None, deletions: int, held: int) -> None:
    assert Passes().held(limited(deletions, limit)) == held


def test_deletions_beyond_a_limit_wait_for_a_person_and_not_for_the_clock() -> None:
    passes = Passes()

    assert passes.held(limited(5, 5)) == 0
    assert passes.held(limited(3, 5, first=5)) == 3
    passes.now += 2 * WINDOW
    assert passes.held(limited(3, 5, first=5)) == 3
    passes.consents = {"orders": Consent(passes.hash())}
    assert passes.held(limited(3, 5, first=5)) == 0


@pytest.mark.parametrize("limit", [None, 3, 1500])
def test_deletions_go_once_a_person_raises_the_limit_or_takes_it_away(limit: int | None) -> None:
    passes = Passes()

    assert passes.held(limited(3, 2)) == 3
    assert passes.held(limited(3, limit)) == 0


@pytest.mark.parametrize("limit", [0, 4])
def test_a_lower_limit_lets_go_of_nothing(limit: int) -> None:
    passes = Passes()

    assert passes.held(limited(5, 5)) == 0
    assert passes.held(limited(3, 5, first=5)) == 3
    passes.now += 2 * WINDOW
    assert passes.held(limited(3, limit, first=5)) == 3


def test_a_limit_counts_what_nobody_asked_for_and_deletions_together() -> None:
    loser = Loser(asked=False, instance="orders", limit=5)

    assert Passes().held([*limited(3, 5), *removals(3, loser, first=3)]) == 6


def test_an_end_waits_for_nobody() -> None:
    ended = Loser(asked=True)

    assert Passes().held([*removals(500, ended), *limited(2, 2, first=500)]) == 0


WRONG = ["", "true", "yes", "11", "*"]


@pytest.mark.parametrize("given", WRONG)
def test_consent_to_nothing_in_particular_allows_nothing(given: str) -> None:
    passes = Passes()
    passes.consents = {"orders": Consent(given)}

    assert passes.held(unasked(11)) == 11


def test_a_consent_is_to_the_members_the_roles_and_the_titles_that_it_was_given_for() -> None:
    first = unasked(11)
    others = {
        "one more": unasked(12),
        "one less": unasked(10),
        "another": unasked(11, first=1),
        "another role": [Removal(BindingRef(one.ref.member, "s"), "a", one.loser) for one in first],
        "another title": [Removal(BindingRef(one.ref.member, "r", "t"), "a", one.loser) for one in first],
    }

    hashes = {name: Waiting(frozenset(one.ref for one in them)).hash for name, them in others.items()}

    assert len({Waiting(frozenset(one.ref for one in first)).hash, *hashes.values()}) == 6


def test_a_consent_allows_once_and_again_only_when_given_anew() -> None:
    passes = Passes()
    passes.held(unasked(11))
    passes.consents = {"orders": Consent(passes.hash())}

    assert passes.held(unasked(11)) == 0
    assert passes.held(unasked(11)) == 11
    assert passes.used() == passes.hash()
    passes.consents = {}
    assert passes.held(unasked(11)) == 11
    passes.consents = {"orders": Consent(passes.hash())}
    assert passes.held(unasked(11)) == 0


def test_a_consent_that_was_used_up_before_a_restart_is_used_up() -> None:
    passes = Passes()
    shown = Waiting(frozenset(one.ref for one in unasked(11))).hash
    passes.consents = {"orders": Consent(shown, used=shown)}

    assert passes.held(unasked(11)) == 11


def test_a_stale_consent_allows_nothing_else() -> None:
    passes = Passes()
    passes.held(unasked(11))
    passes.consents = {"orders": Consent(passes.hash())}

    assert passes.held(unasked(11, first=20)) == 11
    assert passes.held(unasked(12)) == 12


def test_a_consent_that_is_given_early_counts_for_exactly_what_it_names() -> None:
    passes = Passes()
    passes.consents = {"orders": Consent(Waiting(frozenset(one.ref for one in unasked(11))).hash)}

    assert passes.held(unasked(12)) == 12
    assert passes.held(unasked(11)) == 0


def test_a_consent_on_one_instance_allows_nothing_on_another() -> None:
    passes = Passes()
    both = [*unasked(11), *unasked(11, tenant="b", instance="billing")]
    assert passes.held(both) == 22
    orders, billing = passes.hash("orders"), passes.hash("billing")

    passes.consents = {"orders": Consent(billing), "billing": Consent(orders)}
    assert passes.held(both) == 22

    passes.consents = {"orders": Consent(orders)}
    assert passes.held(both) == 11
    assert (passes.used("orders"), passes.used("billing"), passes.hash("billing")) == (orders, "", billing)
