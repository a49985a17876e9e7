"""The table of annotations: every one of them reads what it says it reads, and refuses the rest by its name."""

from decimal import Decimal
from typing import Any

import pytest

from cloudsql_iam_operator.api.injection.annotation import OLDEST
from cloudsql_iam_operator.api.injection.quantities import exceeds, is_zero, quantity
from cloudsql_iam_operator.api.injection.table import OF_THE_PROXY, READ, STATUS
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from support.annotationvalues import BAD, GOOD

D = "iam.cloudsql.dev/"


def test_every_annotation_has_its_values_here() -> None:
    names = {name.removeprefix(D) for name in READ}

    assert names == set(GOOD) == set(BAD)
    assert STATUS not in READ


@pytest.mark.parametrize(
    ("name", "value", "meaning"),
    [(name, value, meaning) for name, values in GOOD.items() for value, meaning in values],
    ids=str,
)
def test_a_value_is_read(name: str, value: str, meaning: Any) -> None:
    annotation = READ[D + name]

    assert annotation.parse(annotation, value) == meaning


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in BAD.items() for value in values],
    ids=lambda text: ascii(text[:40]),
)
def test_a_value_that_cannot_be_meant_is_refused_by_name_in_one_short_line(name: str, value: str) -> None:
    annotation = READ[D + name]

    with pytest.raises(InvalidObject) as refused:
        annotation.parse(annotation, value)

    told = str(refused.value)
    assert told.startswith(f"{D}{name}: ")
    assert len(told) < 400
    assert "\n" not in told


def test_a_list_that_never_ends_is_refused() -> None:
    for name in ("instances", "extra-args"):
        annotation = READ[D + name]
        with pytest.raises(InvalidObject):
            annotation.parse(annotation, "[" * 100_000)


def test_a_duration_without_a_unit_is_refused_with_the_one_that_is_meant() -> None:
    annotation = READ[D + "min-sigterm-delay"]

    with pytest.raises(InvalidObject, match="did you mean 30s"):
        annotation.parse(annotation, "30")


def test_only_a_few_may_stand_on_a_namespace() -> None:
    assert {name.removeprefix(D) for name, one in READ.items() if one.namespaced} == {
        *("cpu-request", "memory-request", "cpu-limit", "memory-limit"),
        *("image", "native-sidecar", "env"),
    }


def test_only_flags_of_the_proxy_need_a_newer_one_than_the_oldest() -> None:
    assert {one for one in READ.values() if one.since != OLDEST} <= OF_THE_PROXY


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("50m", Decimal("0.05")),
        ("64Mi", Decimal(67108864)),
        ("1e3", Decimal(1000)),
        ("1E", Decimal(10) ** 18),
        ("0.5", Decimal("0.5")),
        (".5G", Decimal(500000000)),
        ("0", Decimal(0)),
        ("2k", Decimal(2000)),
        ("64mb", None),
        ("1K", None),
        ("-1", None),
        ("", None),
        ("1e3Mi", None),
    ],
)
def test_quantities_are_those_of_kubernetes(text: str, value: Decimal | None) -> None:
    assert quantity(text) == value


def test_a_limit_of_zero_is_none() -> None:
    assert is_zero("0")
    assert not exceeds("4", "0")
