"""The pages about annotations and metrics name exactly what there is."""

import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase

from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.injection.table import READ
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, APPROVE, FORCE_REMOVE, GIVE_UP
from cloudsql_iam_operator.handlers import health
from cloudsql_iam_operator.webhook import metrics
from support.pages import PROSE

DOCS = Path(__file__).parents[3] / "docs"
ON_OUR_KINDS = {REQUESTED_AT, ALLOW_REMOVALS, APPROVE, FORCE_REMOVE, GIVE_UP}


def first_cells(page: str) -> list[str]:
    """What stands in backquotes in the first column of the page's tables."""
    rows = [line.split("|")[1] for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]


def test_every_annotation_has_its_line() -> None:
    assert sorted(first_cells("annotations.md")) == sorted({*READ, *ON_OUR_KINDS})


def metrics_there_are() -> list[str]:
    ours = [m for module in (health, metrics) for m in vars(module).values() if isinstance(m, MetricWrapperBase)]
    families = [family for metric in ours for family in metric.describe()]
    return [f"{family.name}_total" if family.type == "counter" else family.name for family in families]


def test_every_metric_has_its_line() -> None:
    assert sorted(first_cells("metrics.md")) == sorted(metrics_there_are())


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.name))
def test_every_metric_that_a_page_names_exists(page: Path) -> None:
    assert set(re.findall(r"\bcloudsql_iam_[a-z_]+", page.read_text())) <= {
        *metrics_there_are(),
        "cloudsql_iam_operator",
    }
