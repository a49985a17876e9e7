"""Times and durations as Kubernetes writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cloudsql_iam_operator.api.parsing.times import duration_text, instant_of, instant_text, seconds_in


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.4, "0s"), (5, "5s"), (60, "1m"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (90_061, "25h1m1s")],
)
def test_a_duration_is_one_that_is_read_again(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
    assert seconds_in(text) == int(seconds)


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 12, 1, 9, 30, 5, 123456, tzinfo=UTC),
        datetime(2026, 12, 1, 11, 30, 5, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_time_is_in_utc_and_has_whole_seconds(instant: datetime) -> None:
    assert instant_text(instant) == "2026-12-01T09:30:05Z"
    assert instant_of(instant_text(instant)) == instant.replace(microsecond=0)
