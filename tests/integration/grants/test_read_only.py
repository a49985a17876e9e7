"""A server in recovery: it is looked at, and what cannot be written is said."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from cloudsql_iam_operator.core.reasons import Reason
from support.granting.setting import Place, Setting
from support.granting.wording import table, want

DRY = replace(want(table("SELECT")), dry=True)


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Setting() as running:
        made = running.place()
        running.cluster.restart_in_recovery()
        yield made


def test_a_read_only_database_is_looked_at_and_not_written(place: Place) -> None:
    answer = place.answer(want(table("SELECT")))

    assert [problem.reason for problem in answer.problems] == [Reason.READ_ONLY]
    assert place.sent() == []


def test_an_approved_plan_on_a_read_only_server_says_so_and_stays(place: Place) -> None:
    planned = place.answer(DRY)

    answer = place.answer(replace(DRY, approved=planned.plan_hash))

    assert [problem.reason for problem in answer.problems] == [Reason.READ_ONLY]
    assert (answer.approved, answer.planned) == (False, planned.planned)
