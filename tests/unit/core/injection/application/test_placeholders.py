"""`${NAME:default}` as frameworks and shells mean it."""

import time

import pytest

from cloudsql_iam_operator.core.injection.application.placeholders import filled

ENV = {"DB_HOST": "warehouse", "EMPTY": "", "SECRET": None}


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("${DB_HOST}", "warehouse"),
        ("${DB_HOST:localhost}", "warehouse"),
        ("${db.host:localhost}", "warehouse"),
        ("${db-host:-localhost}", "warehouse"),
        ("${NOBODY:localhost}:${PORT:-5432}", "localhost:5432"),
        ("${EMPTY:-localhost}", "localhost"),
        ("${A:${B:localhost}}", "localhost"),
        ("${SECRET:localhost}", "$SECRET"),
        ("${NOBODY}", "$NOBODY"),
        ("${PGHOST:localhost}:${PGPORT:5432}", "$PGHOST:$PGPORT"),
        ("${unfinished", "${unfinished"),
        ("} ${A:x}", "} x"),
    ],
)
def test_a_placeholder_means_the_variable_or_else_the_default(text: str, means: str) -> None:
    assert filled(text, ENV) == means


@pytest.mark.parametrize("text", ["${" * 500_000, "${A:" * 1000 + "}" * 1000, "${DB_HOST}" * 100_000, "}" * 1_000_000])
def test_placeholders_without_end_are_read_in_bounded_time(text: str) -> None:
    began = time.thread_time()

    assert len(filled(text, {"DB_HOST": "x" * 32_768})) <= len(text) + 40_000

    assert time.thread_time() - began < 1.0
