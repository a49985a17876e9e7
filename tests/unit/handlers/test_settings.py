"""The chart's schema and the operator bound the same numbers alike."""

import json
from pathlib import Path
from typing import Any

import pytest

from cloudsql_iam_operator.handlers.settings import BadSetting, settings_from

CHART = Path(__file__).parents[3] / "charts" / "cloudsql-iam-operator"
NAMES = {"workers": "WORKERS", "threads": "THREADS", "sessions": "SESSIONS", "relistSeconds": "RELIST_SECONDS"}


def bounds(value: str) -> tuple[int, int]:
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    declared = schema["properties"]["operator"]["properties"][value]
    declared = schema["definitions"][declared["$ref"].rpartition("/")[2]] if "$ref" in declared else declared
    return declared["minimum"], declared["maximum"]


def test_every_number_of_the_operator_in_the_schema_is_compared() -> None:
    properties = json.loads((CHART / "values.schema.json").read_text())["properties"]["operator"]["properties"]
    numbers = {n for n, each in properties.items() if each.get("type") == "integer" or "count" in each.get("$ref", "")}

    assert numbers - {"replicas"} == set(NAMES)


@pytest.mark.parametrize("value", sorted(NAMES))
def test_what_the_schema_takes_the_operator_takes_and_no_more(value: str) -> None:
    least, most = bounds(value)

    for number in (least, most):
        settings_from({NAMES[value]: str(number)})
    for number in (least - 1, most + 1):
        with pytest.raises(BadSetting, match=f"a number from {least} to {most}"):
            settings_from({NAMES[value]: str(number)})
