"""Figures of the benchmarks: when a promise holds, and how they are shown."""

import pytest

from benchmarks.figures import Figure, median, percentile, table


@pytest.mark.parametrize(
    ("figure", "holds"),
    [
        (Figure("tick", 40, "ms", 40), True),
        (Figure("tick", 40.1, "ms", 40), False),
        (Figure("WAL", 0, "bytes", 0), True),
        (Figure("WAL", 1, "bytes", 0), False),
        (Figure("ratio", 5, "times", 5, at_least=True), True),
        (Figure("ratio", 4.9, "times", 5, at_least=True), False),
        (Figure("baseline", 1_000_000, "rows"), True),
    ],
)
def test_a_limit_is_the_most_or_the_least_that_still_holds(figure: Figure, *, holds: bool) -> None:
    assert figure.holds is holds


def test_a_table_shows_each_figure_with_its_limit_and_whether_that_holds() -> None:
    figures = [
        Figure("steady tick", 52.94, "ms", 40),
        Figure("entries accepted", 10_000, "entries", 10_000, at_least=True),
        Figure("  baseline", 0.123456, "s"),
    ]

    lines = table("grants", figures).splitlines()

    assert lines == [
        "== grants",
        "steady tick               52.9 ms         <= 40: MISSED",
        "entries accepted        10,000 entries    >= 10,000: holds",
        "  baseline              0.1235 s",
    ]


def test_the_median_is_the_middle_value_whatever_the_extremes_are() -> None:
    assert median([3.0, 900.0, 2.0]) == 3.0


@pytest.mark.parametrize(("share", "value"), [(0, 1.0), (50, 3.0), (99, 5.0), (100, 5.0)])
def test_a_percentile_is_one_of_the_values(share: int, value: float) -> None:
    assert percentile([5.0, 1.0, 4.0, 2.0, 3.0], share) == value
