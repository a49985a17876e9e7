"""What needs a person is a Warning, what goes on by itself is Normal: one table, and nothing that is not in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudsql_iam_operator.core.reasons import CHANGES, Reason, Standing, is_warning

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "operator" / "cloudsql_iam_operator"
METRICS = ROOT / "docs" / "metrics.md"

NORMAL = {
    "Succeeded",
    "Adopted",
    "Expired",
    "DriftCorrected",
    "Observing",
    "Suspended",
    "Progressing",
    "ProgressingWithRetry",
    "InstanceNotReady",
    "InstanceSuspended",
    "OperationInProgress",
    "IAMConflict",
    "QuotaExceeded",
    "UserNotReady",
    "Planned",
    "DependentGrantsExist",
    "InUse",
}
"""Reasons that need nobody: they hold, are meant so, or end by themselves."""


def announced(*methods: str) -> Iterator[str]:
    """Words that some code gives to an Event about a change: first arguments of these methods."""
    for path in (PACKAGE / "services").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods:
                yield from words_in(node.args[0])
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "reason":
                yield from words_in(node.value)


def words_in(node: ast.AST) -> list[str]:
    texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
    return [text for text in texts if isinstance(text, str) and text.isalpha() and text[0].isupper()]


def test_every_reason_that_code_announces_is_in_the_table() -> None:
    words = set(announced("changed", "changed_too", "warn"))

    assert {"Granted", "Created", "Bound", "GivenUp", "Approved"} <= words
    assert words - CHANGES.keys() - {str(reason) for reason in Reason} == set()


def test_the_page_of_metrics_has_every_change_that_is_counted() -> None:
    (row,) = [line for line in METRICS.read_text().splitlines() if line.startswith("| `cloudsql_iam_changes_total`")]

    assert set(re.findall(r"`([A-Z]\w+)`", row)) == set(announced("changed", "changed_too"))


@pytest.mark.parametrize("reason", list(Reason), ids=str)
def test_each_reason_is_a_warning_unless_it_needs_nobody(reason: Reason) -> None:
    assert is_warning(str(reason)) is (str(reason) not in NORMAL)
    assert is_warning(str(reason)) or reason.standing is not Standing.STALLED


@pytest.mark.parametrize(("reason", "warning"), sorted(CHANGES.items()))
def test_each_change_is_as_the_table_says(reason: str, warning: bool) -> None:
    assert is_warning(reason) is warning
