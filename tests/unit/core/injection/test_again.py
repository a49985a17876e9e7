"""Pods that were injected before, and what injection leaves on them. Numbers are those of the list of tricky cases."""

import json
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Injected, Unchanged
from cloudsql_iam_operator.core.injection.plan import plan
from support.podshapes import (
    CHECKOUT,
    FACTS,
    PG,
    SETTINGS,
    applied,
    container,
    denied,
    environment,
    injected,
    planned,
    pod,
    warnings,
)


def names(body: dict[str, Any], place: str) -> list[str]:
    return [c["name"] for c in body["spec"][place]]


def test_an_injected_pod_is_left_alone() -> None:  # 31
    assert planned(injected(pod())) == Unchanged(Code.ALREADY_INJECTED)


def test_a_container_that_another_injector_adds_later_gets_the_environment() -> None:  # 32
    body = injected(pod())
    body["spec"]["containers"].append(container("x"))

    outcome = plan(body, FACTS, SETTINGS)

    assert isinstance(outcome, Injected)
    assert [operation.path for operation in outcome.operations] == ["/spec/containers/1/env"]
    assert environment(applied(outcome.operations, body), "x") == PG


def test_a_later_container_learns_the_port_that_was_chosen_before() -> None:  # 32
    body = injected(pod(container(ports=[{"containerPort": 5432}])))
    body["spec"]["containers"].append(container("x"))

    outcome = plan(body, FACTS, SETTINGS)

    assert isinstance(outcome, Injected)
    assert environment(applied(outcome.operations, body), "x")["PGPORT"] == "5433"


def test_a_pod_injected_under_other_settings_keeps_its_proxy_and_says_so() -> None:  # 33
    body = injected(pod())
    status = json.loads(body["metadata"]["annotations"]["iam.cloudsql.dev/status"])
    body["metadata"]["annotations"]["iam.cloudsql.dev/status"] = json.dumps(status | {"hash": "older"})

    assert planned(body) == Unchanged(
        Code.ALREADY_INJECTED,
        (f"container cloudsql-proxy was injected with other settings ({status['image']}) and stays as it is",),
    )


def test_a_pod_injected_for_another_user_is_refused() -> None:
    body = injected(pod())
    status = json.loads(body["metadata"]["annotations"]["iam.cloudsql.dev/status"])
    body["metadata"]["annotations"]["iam.cloudsql.dev/status"] = json.dumps(status | {"user": "orders/billing@1"})

    assert denied(body).startswith("422 it carries a proxy for CloudSQLIAMUser orders/billing on ")


@pytest.mark.parametrize("port", [-3, 0, 1.5, True, "5432", 10**30, [], {}])
def test_a_status_that_nobody_of_ours_wrote_makes_no_proxy_of_a_container(port: object) -> None:
    body = injected(pod())
    status = json.loads(body["metadata"]["annotations"]["iam.cloudsql.dev/status"])
    status["instances"][0]["port"] = port
    body["metadata"]["annotations"]["iam.cloudsql.dev/status"] = json.dumps(status)
    body["spec"]["initContainers"][0] = container("cloudsql-proxy")

    assert denied(body) == "422 it has a container named cloudsql-proxy of its own: give that another name"


def test_a_status_without_the_container_is_written_anew() -> None:  # 34
    body = pod(annotations={"status": '{"v":1,"container":"cloudsql-proxy"}'})

    assert len(warnings(body)) == 1
    assert names(injected(body), "initContainers") == ["cloudsql-proxy"]
    assert json.loads(injected(body)["metadata"]["annotations"]["iam.cloudsql.dev/status"])["image"]


def test_the_status_tells_what_was_done() -> None:
    assert json.loads(injected(pod())["metadata"]["annotations"]["iam.cloudsql.dev/status"]) == {
        "v": 1,
        "container": "cloudsql-proxy",
        "native": True,
        "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0",
        "user": f"orders/checkout@{CHECKOUT.generation}",
        "instances": [{"name": "acme-prod:europe-west1:orders", "port": 5432}],
        "httpPort": 9801,
        "adminPort": None,
        "env": ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE"],
        "skipped": None,
        "hash": "ad74b8a748e8",
    }
