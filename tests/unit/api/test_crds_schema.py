"""The CRDs by themselves: names, descriptions, bounds, and the rules that are the same for every kind of object."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import GRANT, GROUP, KINDS, VERSION, Kind
from cloudsql_iam_operator.api.object_kinds import ALL, FUTURE_KINDS, PUBLIC_KINDS, SHAPES

Json = dict[str, Any]

CRDS = Path(__file__).parents[3] / "crds"


def crd(kind: Kind) -> Json:
    loaded = yaml.safe_load((CRDS / f"{kind.plural}.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def schema_of(kind: Kind) -> Json:
    schema: Json = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Json, path: str) -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_crd_names_the_kind_as_the_code_does(kind: Kind) -> None:
    loaded = crd(kind)

    names = loaded["spec"]["names"]
    assert loaded["metadata"]["name"] == f"{kind.plural}.{GROUP}"
    assert loaded["spec"]["group"] == GROUP
    assert loaded["spec"]["scope"] == ("Namespaced" if kind.namespaced else "Cluster")
    assert (names["kind"], names["plural"], names["shortNames"]) == (kind.name, kind.plural, [kind.short])
    assert names["categories"] == ["cloudsql"]
    assert [version["name"] for version in loaded["spec"]["versions"]] == [VERSION]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_is_described(kind: Kind) -> None:
    schema = schema_of(kind)

    undescribed = [path for path, node in nodes(schema, "") if not path.endswith("[]") and "description" not in node]

    assert undescribed == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_string_and_list_that_users_write_is_bounded(kind: Kind) -> None:
    unbounded = [
        path
        for path, node in nodes(schema_of(kind)["properties"]["spec"], "spec")
        if (node["type"] == "string" and "enum" not in node and "maxLength" not in node)
        or (node["type"] == "array" and not ("maxItems" in node and "x-kubernetes-list-type" in node))
    ]

    assert unbounded == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_boolean_inside_a_list_has_a_default(kind: Kind) -> None:
    schema = schema_of(kind)

    found = [p for p, node in nodes(schema, "") if "[]" in p and node["type"] == "boolean" and "default" in node]

    assert found == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_status_begins_as_not_yet_looked_at(kind: Kind) -> None:
    status = schema_of(kind)["properties"]["status"]

    assert status["default"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    ("field", "list_name", "kinds"),
    [
        ("grants", "privileges", tuple(SHAPES)),
        ("future", "privileges", FUTURE_KINDS),
        ("public", "revoke", PUBLIC_KINDS),
    ],
)
def test_the_schema_allows_each_kind_the_privileges_that_the_parser_knows(
    field: str, list_name: str, kinds: tuple[ObjectKind, ...]
) -> None:
    rules = schema_of(GRANT)["properties"]["spec"]["properties"][field]["items"]["x-kubernetes-validations"]

    groups: dict[tuple[str, ...], list[str]] = {}
    for kind in kinds:
        groups.setdefault((ALL, *SHAPES[kind].privileges), []).append(str(kind))
    expected = [
        {
            "rule": f"!(self.kind in {names}) || self.{list_name}.all(p, p in {list(privileges)})",
            "message": f"the privileges of {', '.join(names)} are {', '.join(privileges)}",
        }
        for privileges, names in groups.items()
    ]
    assert [rule for rule in rules if ".all(p, " in rule["rule"]] == expected


@pytest.mark.parametrize(
    ("field", "kinds", "nowhere", "nameless"),
    [("grants", tuple(SHAPES), "", ""), ("public", PUBLIC_KINDS, " && !has(self.owners)", " || has(self.owners)")],
)
def test_the_schema_asks_for_schema_and_names_where_the_parser_does(
    field: str, kinds: tuple[ObjectKind, ...], nowhere: str, nameless: str
) -> None:
    rules = {
        rule["rule"]
        for rule in schema_of(GRANT)["properties"]["spec"]["properties"][field]["items"]["x-kubernetes-validations"]
    }

    in_schema = [str(kind) for kind in kinds if SHAPES[kind].in_schema]
    unnamed = [str(kind) for kind in kinds if not SHAPES[kind].named]
    wildcard = [str(kind) for kind in kinds if SHAPES[kind].wildcard]
    assert f"(self.kind in {in_schema}{nowhere}) == (has(self.schema) || has(self.schemas))" in rules
    assert f"(self.kind in {unnamed}{nameless}) != has(self.names)" in rules
    assert f"!has(self.names) || !('*' in self.names) || self.kind in {wildcard}" in rules
