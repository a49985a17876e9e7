"""Where a pattern refuses a value, the API server says what may be written, with an example; so does the parser."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from cloudsql_iam_operator.api.names import GROUP, KINDS, VERSION, Kind
from cloudsql_iam_operator.api.parsing.objects import InvalidObject, parse_grant, parse_instance, parse_user
from integration.shared_plane import SharedPlane

Json = dict[str, Any]

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests/unit/api/crd_samples"
PARSERS: dict[str, Callable[[Mapping[str, Any]], object]] = {
    "CloudSQLInstance": parse_instance,
    "CloudSQLIAMUser": parse_user,
    "DatabaseGrant": parse_grant,
}
WRONG = "\x01\x01\x01\x01\x01\x01"
"""Fits no pattern; its length fits every field."""


def patterns(schema: Json, path: str) -> Iterator[str]:
    if "pattern" in schema:
        yield path
    for name, child in schema.get("properties", {}).items():
        yield from patterns(child, f"{path}.{name}")
    if "items" in schema:
        yield from patterns(schema["items"], f"{path}[]")


def places() -> list[tuple[Kind, str]]:
    found = []
    for kind in KINDS:
        crd = yaml.safe_load((ROOT / "crds" / f"{kind.plural}.yaml").read_text())
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
        found += [(kind, path) for path in patterns(schema, "spec")]
    return found


def with_wrong(node: Any, names: list[str]) -> bool:
    """Put the wrong value at a path of a sample; whether the sample has the path."""
    name, rest = names[0], names[1:]
    listed = name.endswith("[]")
    name = name.removesuffix("[]")
    if not isinstance(node, dict) or not node.get(name):
        return False
    if not rest:
        node[name] = [WRONG] if listed else WRONG
        return True
    children = node[name] if listed else [node[name]]
    return any(with_wrong(child, rest) for child in children)


def wrong_at(kind: Kind, path: str) -> Json:
    for file in sorted(SAMPLES.glob("*.yaml")):
        body: Json = yaml.safe_load(file.read_text())
        changed = copy.deepcopy(body)
        if body["kind"] == kind.name and with_wrong(changed, path.split(".")):
            return changed
    raise AssertionError(f"no sample has {path}")


@pytest.fixture(scope="module")
def api(shared: SharedPlane) -> client.ApiClient:
    shared.kubectl("create", "namespace", "patterns")
    return config.new_client_from_config(str(shared.plane.admin))


def refusal(api: client.ApiClient, kind: Kind, body: Json) -> str:
    where = "/namespaces/patterns" if kind.namespaced else ""
    if kind.namespaced:
        body["metadata"]["namespace"] = "patterns"
    request = api.param_serialize(
        "POST",
        f"/apis/{GROUP}/{VERSION}{where}/{kind.plural}",
        query_params=[("dryRun", "All")],
        header_params={"Content-Type": "application/json", "Accept": "application/json"},
        body=body,
        auth_settings=["BearerToken"],
    )
    response = api.call_api(*request)
    answer = json.loads(response.read())
    assert response.status == 422, answer
    message: str = answer["message"]
    return message


def test_every_kind_has_patterns() -> None:
    assert {kind.name for kind, _ in places()} == set(PARSERS)


@pytest.mark.parametrize(("kind", "path"), [pytest.param(k, p, id=f"{k.short}:{p}") for k, p in places()])
def test_a_refusal_by_a_pattern_carries_an_example(api: client.ApiClient, kind: Kind, path: str) -> None:
    body = wrong_at(kind, path)

    told = refusal(api, kind, copy.deepcopy(body))

    assert "for example " in told, told
    assert "no such key" not in told


@pytest.mark.parametrize(("kind", "path"), [pytest.param(k, p, id=f"{k.short}:{p}") for k, p in places()])
def test_the_parser_gives_an_example_too(kind: Kind, path: str) -> None:
    body = wrong_at(kind, path)
    body["metadata"] |= {"uid": "u", "generation": 1, "creationTimestamp": "2026-11-01T08:00:00Z"}

    with pytest.raises(InvalidObject) as refused:
        PARSERS[kind.name](body)

    assert "such as " in refused.value.problem, refused.value
