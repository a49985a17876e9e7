"""Which of many bindings are refused is found in few tries, and who brings many makes only its own wait."""

import math

from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.core.iam.bindings import Binding
from cloudsql_iam_operator.core.iam.sieve import Sieve

NOBODY: frozenset[Binding] = frozenset()


def binding(number: int) -> Binding:
    return Binding("roles/cloudsql.instanceUser", f"user:u{number}@acme.com")


def sift(tenants: dict[Binding, str], guilty: frozenset[Binding], *, names: bool) -> list[frozenset[Binding]]:
    """Every try, after the first of all together was refused; checks that in the end each is where it belongs."""
    sieve, tries = Sieve(), []
    found = set(sieve.suspect(tenants, tenants, named_of(frozenset(tenants), guilty, names=names)))
    taken: set[Binding] = set()
    while (group := sieve.next()) is not None:
        tries.append(group)
        if group & guilty:
            found |= sieve.refused(group, named_of(group, guilty, names=names))
        else:
            taken |= group
    assert found == guilty
    assert taken == set(tenants) - guilty
    return tries


def named_of(group: frozenset[Binding], guilty: frozenset[Binding], *, names: bool) -> frozenset[Binding]:
    return frozenset(sorted(group & guilty, key=lambda b: b.order)[:1]) if names else NOBODY


@given(
    st.dictionaries(st.integers(0, 200), st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1), st.booleans()
)
def test_everybody_is_found_guilty_or_taken_whatever_the_mixture(
    told: dict[int, tuple[str, bool]], names: bool
) -> None:
    guilty = frozenset(binding(n) for n, (_, bad) in told.items() if bad)
    if guilty:
        tries = sift({binding(n): tenant for n, (tenant, _) in told.items()}, guilty, names=names)
        assert len(tries) <= 2 * len(told)


def test_one_of_a_thousand_costs_twice_the_logarithm() -> None:
    tries = sift({binding(n): "a" for n in range(1024)}, frozenset({binding(700)}), names=False)

    assert len(tries) <= 2 * math.log2(1024)


def test_the_roles_of_one_member_stand_and_fall_together() -> None:
    both = [Binding(role, f"user:u{n}@acme.com") for n in range(64) for role in ("roles/a", "roles/b")]

    tries = sift(dict.fromkeys(both, "a"), frozenset(both[20:22]), names=False)

    assert len(tries) <= 2 * math.log2(64)


def test_thousands_that_are_refused_end_in_no_recursion() -> None:
    everybody = {binding(n): "a" for n in range(3000)}

    assert len(sift(everybody, frozenset(everybody), names=False)) == 5998
    assert len(sift(everybody, frozenset(everybody), names=True)) == 2999


def test_a_tenant_without_fault_is_served_before_another_tenants_faults_are_sifted() -> None:
    poison = {binding(n): "poison" for n in range(500)}
    honest = {binding(1000 + n): f"honest-{n}" for n in range(20)}

    tries = sift({**poison, **honest}, frozenset(poison), names=False)

    served = max(position for position, group in enumerate(tries) if group & honest.keys())
    assert served < 16
