"""The CRDs on a real API server: what it takes, refuses, fills in, and what users see."""

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from cloudsql_iam_operator.api.names import GRANT, GROUP, INSTANCE, KINDS, USER, VERSION, Kind
from e2e.kubectl import Kubectl
from e2e.waiting import eventually
from integration.cluster.statuses import STATUSES, Json
from integration.shared_plane import SharedPlane
from support.conditions import READY
from support.grant_sizes import pairs

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "tests/unit/api/crd_samples"
OF_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True)
class Server:
    """An API server that holds the CRDs and the namespace `orders`, with the two ways that users talk to it."""

    kubectl: Kubectl
    api: client.ApiClient

    def send(self, method: str, body: Json, *, sub: str = "", **query: str) -> Json:
        """What the server answers to one request about the object, which must succeed."""
        status, answer = self._answer(method, body, sub, query)
        assert status in (200, 201), answer
        return answer

    def refusal(self, method: str, body: Json, **query: str) -> str:
        """The server's words when it refuses the object."""
        status, answer = self._answer(method, body, "", query)
        assert status in (400, 409, 422), answer
        message: str = answer["message"]
        return message

    def _answer(self, method: str, body: Json, sub: str, query: dict[str, str]) -> tuple[int, Json]:
        kind, metadata = OF_NAME[body["kind"]], body["metadata"]
        where = f"/namespaces/{metadata['namespace']}" if kind.namespaced else ""
        one = "" if method == "POST" else f"/{metadata['name']}{sub}"
        content = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = self.api.param_serialize(
            method,
            f"/apis/{GROUP}/{VERSION}{where}/{kind.plural}{one}",
            query_params=list(query.items()),
            header_params={"Content-Type": content, "Accept": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self.api.call_api(*request)
        return response.status, json.loads(response.read())


@pytest.fixture(scope="module")
def server(shared: SharedPlane) -> Server:
    shared.kubectl("create", "namespace", "orders")
    return Server(shared.kubectl, config.new_client_from_config(str(shared.plane.admin)))


def sample(name: str, **changes: object) -> Json:
    """A sample with fields of its spec replaced; None takes a field out."""
    body: Json = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    body["spec"] = {field: value for field, value in (body["spec"] | changes).items() if value is not None}
    return body


def renamed(body: Json, name: str) -> Json:
    changed = copy.deepcopy(body)
    changed["metadata"]["name"] = name
    return changed


def of(sample_name: str) -> Kind:
    return {"instance": INSTANCE, "user": USER, "grant": GRANT}[sample_name.split("-", maxsplit=1)[0]]


def rejections() -> list[Any]:
    return [
        pytest.param(sample(f"{kind}-minimal", **case["set"]), case["server"], id=f"{kind}s: {case['title']}")
        for kind in ("instance", "user", "grant")
        for case in yaml.safe_load((SAMPLES / "rejected" / f"{kind}s.yaml").read_text())
    ]


@pytest.mark.parametrize("name", ["instance-full", "user-full", "grant-full"])
def test_the_server_stores_every_field_as_it_was_written(server: Server, name: str) -> None:
    body = sample(name)

    stored = server.send("POST", body, dryRun="All", fieldValidation="Strict")

    assert stored["spec"] == body["spec"]


@pytest.mark.parametrize("form", ["service-account", "minimal", "group", "workforce"])
def test_the_server_takes_every_form_of_principal(server: Server, form: str) -> None:
    body = sample(f"user-{form}")

    stored = server.send("POST", body, dryRun="All", fieldValidation="Strict")

    assert stored["spec"]["principal"] == body["spec"]["principal"]


@pytest.mark.parametrize(("body", "text"), rejections())
def test_the_server_refuses_in_words_that_help(server: Server, body: Json, text: str) -> None:
    told = server.refusal("POST", body, dryRun="All")

    assert text in told


@pytest.mark.parametrize(("largest", "larger"), [pytest.param(*pair, id=what) for what, *pair in pairs()])
def test_the_server_bounds_the_product_of_lists_as_the_operator_does(
    server: Server, largest: Json, larger: Json
) -> None:
    server.send("POST", sample("grant-minimal", **largest), dryRun="All", fieldValidation="Strict")

    assert "is at most 1,000,000" in server.refusal("POST", sample("grant-minimal", **larger), dryRun="All")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_new_object_says_that_nobody_has_looked_yet(server: Server, kind: Kind) -> None:
    (body,) = (sample(name) for name in ("instance-minimal", "user-minimal", "grant-minimal") if of(name) is kind)

    stored = server.send("POST", renamed(body, "new"))

    assert stored["status"] == {"observedGeneration": -1}


def test_defaults_are_those_that_the_documentation_names(server: Server) -> None:
    stored = server.send("POST", renamed(sample("instance-minimal", access=None), "defaults"))

    assert stored["spec"] == {
        "connectionName": "acme-prod:europe-west1:orders",
        "admin": {"database": {"ipType": "PRIVATE", "setRole": ""}},
        "iam": {
            "mode": "Member",
            "roles": ["roles/cloudsql.instanceUser", "roles/cloudsql.client"],
            "condition": "PerInstance",
        },
        "onAccessWithdrawn": "Revoke",
        "interval": "5m",
        "suspend": False,
    }


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("instance-minimal", {"connectionName": "acme-prod:europe-west1:other"}, "connectionName cannot be changed"),
        ("user-minimal", {"instanceRef": {"name": "other"}}, "instanceRef cannot be changed"),
        ("user-minimal", {"principal": {"user": "bob@acme.com"}}, "principal cannot be changed"),
        ("user-minimal", {"principal": {"group": "ann@acme.com"}}, "principal cannot be changed"),
        ("grant-minimal", {"instanceRef": {"name": "other"}}, "instanceRef cannot be changed"),
        ("grant-minimal", {"database": "other"}, "database cannot be changed"),
    ],
)
def test_what_an_object_is_about_cannot_be_changed(server: Server, name: str, change: Json, text: str) -> None:
    server.send("PATCH", renamed(sample(name), "fixed"), fieldManager="team", force="true")

    told = server.refusal("PATCH", renamed(sample(name, **change), "fixed"), fieldManager="team", force="true")

    assert text in told


def test_what_an_object_says_can_be_changed(server: Server) -> None:
    server.send("PATCH", renamed(sample("grant-minimal"), "changing"), fieldManager="team")

    stored = server.send(
        "PATCH", renamed(sample("grant-minimal", enforcement="Additive"), "changing"), fieldManager="team"
    )

    assert (stored["spec"]["enforcement"], stored["metadata"]["generation"]) == ("Additive", 2)


@pytest.mark.parametrize("name", ["instance-full", "user-full", "grant-full", "grant-minimal"])
def test_applying_the_same_again_changes_nothing(server: Server, name: str) -> None:
    body = renamed(sample(name), f"{name}-again")
    server.send("PATCH", body, fieldManager="kustomize-controller")
    status = {"observedGeneration": 1, "conditions": [READY], **STATUSES[body["kind"]]}
    bare = {field: body[field] for field in ("apiVersion", "kind", "metadata")}
    first = server.send(
        "PATCH", {**bare, "status": status}, sub="/status", fieldManager="cloudsql-iam-operator", force="true"
    )

    second = server.send("PATCH", body, fieldManager="kustomize-controller")

    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert first["status"] == status


def test_a_second_manager_cannot_add_grantees_unseen(server: Server) -> None:
    server.send("PATCH", renamed(sample("grant-minimal"), "shared"), fieldManager="team")

    others = renamed(sample("grant-minimal", grantees=[{"role": "other_ro"}]), "shared")
    told = server.refusal("PATCH", others, fieldManager="platform")

    assert 'conflict with "team": .spec.grantees' in told


def test_kubectl_explains_a_field(server: Server) -> None:
    told = eventually(lambda: server.kubectl("explain", "dbg.spec.grants.names"), "the schema is published")

    assert "FIELD: names <[]string>" in told
    assert "named with their argument types" in " ".join(told.split())


def test_kubectl_get_shows_how_things_stand(server: Server) -> None:
    body = renamed(sample("user-minimal"), "shown")
    server.send("PATCH", body, fieldManager="team")
    bare = {field: body[field] for field in ("apiVersion", "kind", "metadata")}
    status = {"observedGeneration": 1, "conditions": [READY], "username": "ann@acme.com"}
    server.send("PATCH", {**bare, "status": status}, sub="/status", fieldManager="cloudsql-iam-operator")

    told = server.kubectl("get", "csqlu", "shown", "-n", "orders")

    header, row = told.splitlines()
    assert header.split() == ["NAME", "READY", "REASON", "USERNAME", "INSTANCE", "AGE"]
    assert row.split()[:5] == ["shown", "True", "Succeeded", "ann@acme.com", "orders-prod"]


def test_kubectl_lists_all_kinds_under_one_word(server: Server) -> None:
    server.send("PATCH", renamed(sample("instance-minimal"), "listed"), fieldManager="team")
    server.send("PATCH", renamed(sample("user-minimal"), "listed"), fieldManager="team")
    server.send("PATCH", renamed(sample("grant-minimal"), "listed"), fieldManager="team")

    told = server.kubectl("get", "cloudsql", "-n", "orders", "-o", "name").splitlines()

    for kind in KINDS:
        assert f"{kind.name.lower()}.{GROUP}/listed" in told
