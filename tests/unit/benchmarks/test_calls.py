"""How often something is called in an interval is counted from call to call."""

import pytest

from e2e.fleet import Calls

LIST = "sql.users.list"


@pytest.mark.parametrize(
    ("moments", "pace"),
    [((100.0,), 0.0), ((100.0, 130.0), 1.0), ((100.0, 132.0, 164.0), 0.9375), ((100.0, 110.0, 130.0), 2.0)],
)
def test_calls_are_counted_in_the_intervals_between_the_first_and_the_last(
    moments: tuple[float, ...], pace: float
) -> None:
    calls = Calls({f"{LIST} a/i-1": moments, "sql.users.insert a/i-1": (100.0, 101.0)}, writes=0)

    assert calls.pace(LIST, 30.0) == pace


def test_the_instance_that_is_called_most_counts() -> None:
    calls = Calls({f"{LIST} a/i-1": (0.0, 30.0), f"{LIST} a/i-2": (0.0, 10.0), f"{LIST} a/i-3": (5.0,)}, writes=0)

    assert (calls.pace(LIST, 30.0), calls.most(LIST), calls.all(LIST), calls.twice(LIST)) == (3.0, 2, 5, 2)
