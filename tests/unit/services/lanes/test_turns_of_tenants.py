"""In what order an instance's users are made: nobody's many stand before another's few."""

from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.services.lanes.user_wants import in_turns
from cloudsql_iam_operator.services.waiting.ranks import Rank

MANY = [Key(USER.name, "a-large", f"u-{number:04}") for number in range(2000)]
FEW = [Key(USER.name, "small", f"u-{number}") for number in range(3)]


def test_a_namespace_with_two_thousand_users_lets_another_go_on_after_each_of_its_own() -> None:
    order = in_turns([*MANY, *FEW], lambda key: Rank.FIRST)

    assert max(order.index(key) for key in FEW) <= 2 * len(FEW)
    assert sorted(order) == sorted([*MANY, *FEW])


def test_a_mass_deletion_of_one_namespace_goes_in_turns_with_anothers_edit() -> None:
    order = in_turns([*MANY, *FEW], lambda key: Rank.EDIT)

    assert order[1] == FEW[0]


def test_what_is_pressing_goes_ahead_of_everybodys_turn() -> None:
    order = in_turns([*MANY, *FEW], lambda key: Rank.EDIT if key == FEW[2] else Rank.FIRST)

    assert order[0] == FEW[2]


def test_deletions_without_end_let_a_new_user_through_in_every_ten() -> None:
    order = in_turns([*MANY, *FEW], lambda key: Rank.FIRST if key in FEW else Rank.EDIT)

    assert order.index(FEW[0]) < 10
