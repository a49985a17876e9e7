"""Every value that the page of annotations writes down is one that the annotation takes."""

import re

import pytest

from cloudsql_iam_operator.api.injection.table import READ
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from support.pages import ROOT

ROW = re.compile(r"^\| `(iam\.cloudsql\.dev/[a-z-]+)` \| (.*?) \| (.*?) \| ", re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")

SAID_OF_VALUES = {
    ("env-prefix", "[A-Z_][A-Z0-9_]*"),
    ("env-prefix", "PG"),
    ("unix-socket", "/etc"),
    ("unix-socket", "/run"),
    ("credentials-secret", "NAME"),
    ("credentials-secret", "NAME:KEY"),
}
"""What the page says of values, and that is none of them."""

WRITTEN = [
    (name.removeprefix("iam.cloudsql.dev/"), span.strip('"'))
    for name, values, _ in ROW.findall((ROOT / "docs" / "annotations.md").read_text())
    if name in READ
    for span in SPAN.findall(values)
    if not span.startswith("webhook.")
]


def is_taken(name: str, value: str) -> bool:
    annotation = READ[f"iam.cloudsql.dev/{name}"]
    try:
        annotation.parse(annotation, value)
    except InvalidObject:
        return False
    return True


@pytest.mark.parametrize(("name", "value"), WRITTEN)
def test_a_value_of_the_page_is_taken_but_for_what_is_said_of_values(name: str, value: str) -> None:
    assert is_taken(name, value) is ((name, value) not in SAID_OF_VALUES)


def test_the_page_has_values_of_most_annotations() -> None:
    assert len({name for name, _ in WRITTEN}) > 20
