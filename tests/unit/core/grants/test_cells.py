"""Cells hold roles that the same wishes are about and that hold the same; a pass asks only who gave up something."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.cells import cells
from cloudsql_iam_operator.core.grants.decided.lookups import lookups
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.decided.wishes import Standing, Wish
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry, Ledger
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Holding
from support.granting.wording import NOTHING, caused, key, table, want

ROLES = st.frozensets(st.integers(1, 5), max_size=4)
OBJECTS = st.frozensets(st.integers(101, 103), max_size=2)
WISHES = st.lists(
    st.builds(
        Wish,
        st.sampled_from([key("a"), key("b")]),
        st.sampled_from(Standing),
        st.just(frozenset({ObjectKind.TABLE})),
        st.just(9),
        ROLES,
        st.sampled_from([1, 2, 3]),
        st.none() | OBJECTS,
        OBJECTS,
    ),
    max_size=6,
)
HELD = st.dictionaries(st.integers(1, 6), st.builds(lambda mask: (Holding(1, mask),), st.integers(1, 3)), max_size=5)


@given(WISHES, HELD, ROLES)
def test_each_role_and_member_is_in_one_cell_with_the_very_wishes_about_it(
    wishes: list[Wish], held: dict[int, tuple[Holding, ...]], besides: frozenset[int]
) -> None:
    group = AclGroup(ObjectKind.TABLE, 9, 1, (101, 102, 103), held)

    found = list(cells(group, wishes, besides=besides))

    seen = [(role, member) for cell in found for role in cell.roles for member in cell.members]
    assert len(seen) == len(set(seen))
    for cell in found:
        for member in cell.members:
            about = [wish for wish in wishes if wish.covers(member)]
            for role in cell.roles:
                assert list(cell.wishes) == [wish for wish in about if role in wish.roles]
                assert cell.holdings == held.get(role, ())
    for member in group.members:
        asked = besides.union(*(wish.roles for wish in wishes if wish.covers(member))) - {group.owner}
        some = any(wish.covers(member) for wish in wishes)
        assert {role for role, oid in seen if oid == member} == (asked if some or besides else set())


def known(role: str, oid: int) -> Ledger:
    return frozenset({AppliedEntry("known:role", (), (), "", (role,), oid=oid)})


def test_only_of_who_gives_up_whatever_there_was_it_is_asked_where_it_has_rights() -> None:
    stays = replace(
        want(table("SELECT", to=("stays",))), ledger=caused(table("SELECT", to=("stays",))) | known("stays", 1)
    )
    goes = GrantWant(NOTHING, caused(table("SELECT", to=("goes",))) | known("goes", 2))

    asked = lookups({key("a"): stays, key("b"): goes}, {key("c"): known("other", 3)})

    assert (asked.elsewhere, asked.known_elsewhere) == (frozenset({"goes"}), frozenset({2}))
    assert asked.known_roles == frozenset({1, 2, 3})
