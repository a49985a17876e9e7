"""The CRDs and the parsers say the same: fields both ways, defaults, enumerations, limits, privileges."""

import copy
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.api import grant, instance, user
from cloudsql_iam_operator.api.names import GRANT, INSTANCE, KINDS, USER, Kind
from cloudsql_iam_operator.api.object_kinds import ALL, FUTURE_KINDS, PRIVILEGES, PUBLIC_KINDS, SHAPES
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse_grant, parse_instance, parse_user

Json = dict[str, Any]
Schema = dict[str, Any]

CRDS = Path(__file__).parents[3] / "crds"
SAMPLES = Path(__file__).parent / "crd_samples"
"""One manifest with every field for each kind and form of principal, and the smallest of each kind."""

PARSERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    INSTANCE.name: parse_instance,
    USER.name: parse_user,
    GRANT.name: parse_grant,
}

ENUMS: dict[tuple[str, str], type[StrEnum]] = {
    (INSTANCE.name, "spec.admin.database.ipType"): instance.IPType,
    (INSTANCE.name, "spec.iam.mode"): instance.BindingMode,
    (INSTANCE.name, "spec.iam.condition"): instance.ConditionMode,
    (INSTANCE.name, "spec.access[].principals.kubernetesServiceAccounts"): instance.AccountProof,
    (INSTANCE.name, "spec.onAccessWithdrawn"): instance.Withdrawal,
    (USER.name, "spec.adoptionPolicy"): user.AdoptionPolicy,
    (USER.name, "spec.deletionPolicy"): user.UserDeletion,
    (USER.name, "spec.onOwnedObjects"): user.OwnedObjects,
    (USER.name, "spec.mode"): user.UserMode,
    (GRANT.name, "spec.preset"): grant.Preset,
    (GRANT.name, "spec.grants[].kind"): grant.ObjectKind,
    (GRANT.name, "spec.enforcement"): grant.Enforcement,
    (GRANT.name, "spec.mode"): grant.GrantMode,
    (GRANT.name, "spec.deletionPolicy"): grant.GrantDeletion,
}
OTHER_ENUMS: dict[tuple[str, str], list[str]] = {
    (INSTANCE.name, "spec.access[].privileges[]"): list(PRIVILEGES),
    (INSTANCE.name, "spec.access[].namespaces.selector.matchExpressions[].operator"): [
        "In",
        "NotIn",
        "Exists",
        "DoesNotExist",
    ],
    (GRANT.name, "spec.grants[].privileges[]"): list(PRIVILEGES),
    (GRANT.name, "spec.future[].kind"): [str(kind) for kind in FUTURE_KINDS],
    (GRANT.name, "spec.future[].privileges[]"): sorted({ALL} | {p for k in FUTURE_KINDS for p in SHAPES[k].privileges}),
    (GRANT.name, "spec.public[].kind"): [str(kind) for kind in PUBLIC_KINDS],
    (GRANT.name, "spec.public[].revoke[]"): sorted({ALL} | {p for k in PUBLIC_KINDS for p in SHAPES[k].privileges}),
}


def crd(kind: Kind) -> Json:
    loaded = yaml.safe_load((CRDS / f"{kind.plural}.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def spec_schema(kind: Kind) -> Schema:
    schema: Schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def nodes(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")


def fields_of_schema(kind: Kind) -> set[str]:
    return {path for path, _ in nodes(spec_schema(kind), "spec") if not path.endswith("[]")}


def fields_of_value(value: object, path: str) -> set[str]:
    if isinstance(value, list):
        return {found for item in value for found in fields_of_value(item, f"{path}[]") if found != f"{path}[]"} | {
            path
        }
    if isinstance(value, dict) and not path.endswith("matchLabels"):
        return {path} | {found for name, child in value.items() for found in fields_of_value(child, f"{path}.{name}")}
    return {path}


def manifests(kind: Kind, pattern: str) -> list[Json]:
    """Samples of a kind, with the metadata that the API server adds."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(SAMPLES.glob(f"*-{pattern}.yaml"))]
    given = {"uid": "0f6c", "generation": 2, "resourceVersion": "77", "creationTimestamp": "2026-11-01T08:00:00Z"}
    chosen = [{**body, "metadata": {**body["metadata"], **given}} for body in found if body["kind"] == kind.name]
    assert chosen
    return chosen


def parsed(body: Mapping[str, Any]) -> object:
    return PARSERS[body["kind"]](body)


def defaulted(value: Any, schema: Schema) -> Any:
    """The value with the schema's defaults filled in, as the API server does it."""
    if isinstance(value, list):
        return [defaulted(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = copy.deepcopy(child["default"])
        if name in filled:
            filled[name] = defaulted(filled[name], child)
    return filled


class Listening(Mapping[str, Any]):
    """A JSON object that notes which of its fields were asked for, by path."""

    def __init__(self, value: Mapping[str, Any], path: str, asked: set[str]) -> None:
        self.value, self.path, self.asked = value, path, asked

    def __getitem__(self, name: str) -> object:
        where = f"{self.path}.{name}"
        if not self.path.endswith("matchLabels"):
            self.asked.add(where)
        found = self.value[name]
        if isinstance(found, dict):
            return Listening(found, where, self.asked)
        if isinstance(found, list):
            return [Listening(i, f"{where}[]", self.asked) if isinstance(i, dict) else i for i in found]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.value)

    def __len__(self) -> int:
        return len(self.value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_samples_hold_every_field_of_the_schema(kind: Kind) -> None:
    written = {path for body in manifests(kind, "*") for path in fields_of_value(body["spec"], "spec")}

    assert written == fields_of_schema(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_parser_reads_every_field_of_the_schema(kind: Kind) -> None:
    # The parser refuses fields that it does not ask for, so reading the samples is reading all fields.
    read = [parsed(body) for body in manifests(kind, "*")]

    assert len(set(map(repr, read))) == len(read)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_has_every_field_that_the_parser_asks_for(kind: Kind) -> None:
    asked = {"spec"}

    for body in manifests(kind, "*"):
        parsed({**body, "spec": Listening(body["spec"], "spec", asked)})

    # Mapping.get asks through __getitem__, so fields that are absent from a sample are noted too.
    assert asked == fields_of_schema(kind)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_parser_fills_in_the_defaults_of_the_schema(kind: Kind) -> None:
    (minimal,) = manifests(kind, "minimal")

    filled = {**minimal, "spec": defaulted(minimal["spec"], spec_schema(kind))}

    assert filled != minimal
    assert parsed(minimal) == parsed(filled)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_schema_enumerates_what_the_parser_knows(kind: Kind) -> None:
    in_schema = {
        (kind.name, path): sorted(node["enum"]) for path, node in nodes(spec_schema(kind), "spec") if "enum" in node
    }

    known = {where: sorted(options) for where, options in ENUMS.items()} | OTHER_ENUMS
    assert in_schema == {where: sorted(options) for where, options in known.items() if where[0] == kind.name}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_lists_are_as_long_as_the_schema_lets_them_be(kind: Kind) -> None:
    limits = {path: node["maxItems"] for path, node in nodes(spec_schema(kind), "spec") if node["type"] == "array"}

    assert limits
    for path, limit in limits.items():
        assert f"at most {limit} are" in refusal(kind, path, [None] * (limit + 1)), path
        assert "at most" not in refusal(kind, path, [None] * limit), path


def refusal(kind: Kind, path: str, value: object) -> str:
    """What the parser says when the list at `path` of a sample is replaced."""
    for body in manifests(kind, "*"):
        changed = copy.deepcopy(body)
        if replaced(changed, path.split("."), value):
            with pytest.raises(InvalidObject) as refused:
                parsed(changed)
            return str(refused.value)
    raise AssertionError(f"no sample has {path}")


def replaced(node: Json, names: list[str], value: object) -> bool:
    name, rest = names[0].removesuffix("[]"), names[1:]
    if name not in node:
        return False
    if not rest:
        node[name] = value
        return True
    children = node[name] if isinstance(node[name], list) else [node[name]]
    return any(replaced(child, rest, value) for child in children)
