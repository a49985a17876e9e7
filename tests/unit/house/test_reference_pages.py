"""The pages about annotations and metrics name exactly what there is."""

import re
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase

from cloudsql_iam_operator.api.annotations import REQUESTED_AT
from cloudsql_iam_operator.api.injection.table import READ
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, APPROVE, FORCE_REMOVE, GIVE_UP
from cloudsql_iam_operator.handlers import health
from cloudsql_iam_operator.webhook import metrics

DOCS = Path(__file__).parents[3] / "docs"
ON_OUR_KINDS = {REQUESTED_AT, ALLOW_REMOVALS, APPROVE, FORCE_REMOVE, GIVE_UP}


def first_cells(page: str) -> list[str]:
    """What stands in backquotes in the first column of the page's tables."""
    rows = [line.split("|")[1] for line in (DOCS / page).read_text().splitlines() if line.startswith("| `")]
    return [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]


def test_every_annotation_has_its_line() -> None:
    assert sorted(first_cells("annotations.md")) == sorted({*READ, *ON_OUR_KINDS})


def test_every_metric_has_its_line() -> None:
    ours = [m for module in (health, metrics) for m in vars(module).values() if isinstance(m, MetricWrapperBase)]
    families = [family for metric in ours for family in metric.describe()]
    names = [f"{family.name}_total" if family.type == "counter" else family.name for family in families]

    assert sorted(first_cells("metrics.md")) == sorted(names)
