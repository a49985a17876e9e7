"""What kopf is told."""

import kopf

from cloudsql_iam_operator.handlers.informer import settings


def test_an_end_that_hangs_is_cut_short_once_all_that_runs_had_its_time() -> None:
    told = settings()

    assert told.process.ultimate_exiting_timeout == 30.0
    assert told.queueing.exit_timeout == 20.0


def test_of_an_object_kopf_compares_nothing_and_copies_nothing() -> None:
    told = settings().persistence

    compared = told.diffbase_storage.build(body=kopf.Body({"metadata": {"name": "one"}, "spec": {"a": 1}}))

    assert compared == {}
    assert told.progress_storage.clear(essence=compared) is compared
