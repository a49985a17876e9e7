"""What an observed user differs in: every state of the user and of its roles that can be found."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.user import AdoptionPolicy
from cloudsql_iam_operator.core.users.drift import LISTED, LONGEST, Difference, Kind, in_roles, in_users, told
from cloudsql_iam_operator.core.users.plan import DatabaseUser, Ownership, UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from unit.core.users.wants import NAME, WANT

OURS = replace(WANT, ownership=Ownership.CREATED)
MAY_ADOPT = replace(WANT, adoption=AdoptionPolicy.IF_EXISTS, may_adopt=True)
RIGHT = DatabaseUser(NAME, UserType.SERVICE_ACCOUNT)
WRONG = DatabaseUser(NAME, UserType.BUILT_IN)


@pytest.mark.parametrize(
    ("want", "observed", "word"),
    [
        (WANT, (), "does not exist"),
        (OURS, (), "does not exist"),
        (OURS, (RIGHT,), ""),
        (MAY_ADOPT, (RIGHT,), ""),
        (WANT, (RIGHT,), "adoptionPolicy"),
        (WANT, (WRONG,), "BUILT_IN"),
        (OURS, (WRONG,), "BUILT_IN"),
        (MAY_ADOPT, (WRONG,), "BUILT_IN"),
    ],
)
def test_what_is_wrong_with_a_user_is_one_difference(
    want: UserWant, observed: tuple[DatabaseUser, ...], word: str
) -> None:
    found = in_users(want, observed)

    assert [one.kind for one in found] == ([Kind.USER] if word else [])
    assert all(word in one.text for one in found)


A, B = "app_ro", "app_rw"


@pytest.mark.parametrize(
    ("wanted", "recorded", "held", "differences"),
    [
        ({A}, set(), set(), [f"{NAME} is not a member of {A}"]),
        ({A}, {A}, set(), [f"{NAME} is not a member of {A}"]),
        ({A}, {A}, {A}, []),
        ({A}, set(), {A}, []),
        (set(), {A}, {A}, [f"{NAME} is a member of {A}, which is declared no more"]),
        (set(), {A}, set(), []),
        (set(), set(), {A}, []),
        ({B}, {A}, {A}, [f"{NAME} is not a member of {B}", f"{NAME} is a member of {A}, which is declared no more"]),
    ],
)
def test_a_role_differs_when_it_is_missing_or_was_given_here_and_is_declared_no_more(
    wanted: set[str], recorded: set[str], held: set[str], differences: list[str]
) -> None:
    found = in_roles(NAME, frozenset(wanted), frozenset(recorded), frozenset(held))

    assert [one.text for one in found] == differences
    assert {one.kind for one in found} <= {Kind.ROLE}


def test_a_status_names_a_bounded_part_of_many_and_long_differences() -> None:
    many = told(Difference(Kind.ROLE, f"{number} {'x' * 2 * LONGEST}") for number in range(LISTED + 7))

    assert len(many) == LISTED + 1
    assert many[-1] == "and 7 more"
    assert max(map(len, many)) == LONGEST
