"""In what order an instance's users are made: nobody's many stand before another's few."""

from collections.abc import Callable

from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.services.lanes.user_wants import Turns
from cloudsql_iam_operator.services.waiting.ranks import Rank

MANY = [Key(USER.name, "a-large", f"u-{number:04}") for number in range(2000)]
FEW = [Key(USER.name, "small", f"u-{number}") for number in range(3)]


def test_a_namespace_with_two_thousand_users_lets_another_go_on_after_each_of_its_own() -> None:
    order = Turns().of([*MANY, *FEW], lambda key: Rank.FIRST)

    assert max(order.index(key) for key in FEW) <= 2 * len(FEW)
    assert sorted(order) == sorted([*MANY, *FEW])


def test_a_mass_deletion_of_one_namespace_goes_in_turns_with_anothers_edit() -> None:
    order = Turns().of([*MANY, *FEW], lambda key: Rank.EDIT)

    assert order[1] == FEW[0]


def test_what_is_pressing_goes_ahead_of_everybodys_turn() -> None:
    order = Turns().of([*MANY, *FEW], lambda key: Rank.EDIT if key == FEW[2] else Rank.FIRST)

    assert order[0] == FEW[2]


def test_deletions_without_end_let_a_new_user_through_in_every_ten() -> None:
    order = Turns().of([*MANY, *FEW], lambda key: Rank.FIRST if key in FEW else Rank.EDIT)

    assert order.index(FEW[0]) < 10


def _served(passes: int, at_once: int, rank: Callable[[Key], Rank]) -> list[Key]:
    """What is made in so many passes that each end early, while new wants of the large namespace keep coming."""
    turns = Turns()
    made: list[Key] = []
    for _ in range(passes):
        for key in turns.of([*MANY, *(set(FEW) - set(made))], rank)[:at_once]:
            turns.served(key, rank(key))
            made.append(key)
    return made


def test_who_deletes_and_makes_without_end_shares_with_another_namespace_also_when_passes_end_early() -> None:
    made = _served(12, 10, lambda key: Rank.FIRST if key in FEW or int(key.name[2:]) % 2 else Rank.EDIT)

    assert max(made.index(key) for key in FEW) <= 30


def test_once_one_namespace_pressed_for_half_of_all_changes_others_new_users_take_turns_with_it() -> None:
    made = _served(12, 10, lambda key: Rank.FIRST if key in FEW else Rank.EDIT)

    assert max(made.index(key) for key in FEW) <= 30


def test_an_edit_goes_ahead_of_the_many_new_users_of_its_own_namespace() -> None:
    turns = Turns()
    for key in MANY[:100]:
        turns.served(key, Rank.FIRST)

    assert turns.of(MANY, lambda key: Rank.EDIT if key == MANY[1999] else Rank.FIRST)[0] == MANY[1999]
