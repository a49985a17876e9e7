"""What kopf is told."""

from cloudsql_iam_operator.handlers.informer import settings


def test_an_end_that_hangs_is_cut_short_once_all_that_runs_had_its_time() -> None:
    told = settings()

    assert told.process.ultimate_exiting_timeout == 30.0
    assert told.queueing.exit_timeout == 20.0
