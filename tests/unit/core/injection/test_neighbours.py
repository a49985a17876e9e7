"""Meshes, other sidecars and other proxies. Numbers in the comments are those of the list of tricky cases."""

from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Unchanged
from support.podshapes import PG, container, environment, injected, planned, pod, proxy, warnings

CONNECTION = "acme-prod:europe-west1:orders"


def native(name: str) -> dict[str, Any]:
    return container(name, restartPolicy="Always")


@pytest.mark.parametrize("mesh", ["istio-proxy", "linkerd-proxy"])
def test_the_proxy_starts_right_after_a_native_mesh_proxy(mesh: str) -> None:  # 73, 77
    body = injected(pod(initContainers=[container("istio-init"), native(mesh), container("migrate")]))

    assert [c["name"] for c in body["spec"]["initContainers"]] == ["istio-init", mesh, "cloudsql-proxy", "migrate"]
    assert "exec" in proxy(body)["startupProbe"]


def test_a_mesh_proxy_beside_the_application_does_not_hold_the_proxy_back() -> None:  # 74
    body = injected(pod(container(), container("istio-proxy"), initContainers=[container("istio-init")]))

    assert [c["name"] for c in body["spec"]["initContainers"]] == ["cloudsql-proxy", "istio-init"]


def test_init_containers_before_a_classic_mesh_are_pointed_out() -> None:  # 74
    body = pod(container(), container("istio-proxy"), initContainers=[container("istio-init"), container("migrate")])

    (warning,) = warnings(body)

    assert warning.startswith("istio-proxy starts after the init containers")


def test_istio_cni_with_a_classic_proxy_is_pointed_out() -> None:  # 75
    (warning,) = warnings(pod(container(), container("istio-proxy"), initContainers=[container("istio-validation")]))

    assert warning.startswith("Istio CNI captures traffic before istio-proxy runs")


def test_known_sidecars_get_no_environment_and_keep_their_order() -> None:  # 78
    sidecars = ["vault-agent", "daprd", "otc-container", "gke-gcsfuse-sidecar"]

    body = injected(pod(container(), *map(container, sidecars), initContainers=[container("vault-agent-init")]))

    assert [environment(body, name) for name in sidecars] == [{}, {}, {}, {}]
    assert environment(body, "web") == PG
    assert [c["name"] for c in body["spec"]["containers"]] == ["web", *sidecars]
    assert [c["name"] for c in body["spec"]["initContainers"]] == ["cloudsql-proxy", "vault-agent-init"]


def test_a_sidecar_that_is_named_gets_the_environment() -> None:
    body = injected(pod(container(), container("daprd"), annotations={"containers": "daprd"}))

    assert environment(body, "daprd") == PG


@pytest.mark.parametrize(
    "other",
    [
        container("db", image="eu.gcr.io/cloudsql-docker/gce-proxy:1.33"),
        container("db", command=["/cloud_sql_proxy", f"-instances={CONNECTION}=tcp:5432"]),
    ],
)
def test_a_pod_with_the_old_proxy_is_left_alone_with_a_warning(other: dict[str, Any]) -> None:  # 79
    assert planned(pod(container(), other)) == Unchanged(
        Code.OTHER_PROXY,
        ("no proxy injected: container db is the Cloud SQL proxy v1; remove it to have one injected",),
    )


@pytest.mark.parametrize("argument", [CONNECTION, f"{CONNECTION}?port=5433&auto-iam-authn=true"])
def test_a_pod_that_brings_a_proxy_for_the_instance_is_left_alone(argument: str) -> None:  # 80
    other = container("db", image="gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.20.0", args=["--port=5432", argument])

    assert planned(pod(container(), other)) == Unchanged(
        Code.OTHER_PROXY,
        (f"no proxy injected: container db is a proxy for {CONNECTION} already; remove it or iam.cloudsql.dev/inject",),
    )


@pytest.mark.parametrize("arguments", [["--port=5432", "p:r:other"], ["--port", "5432", "p:r:x"], ["p:r:x?port=5432"]])
def test_a_proxy_for_another_instance_is_chosen_around(arguments: list[str]) -> None:  # 80
    other = container("db", command=["/cloud-sql-proxy"], args=arguments)

    assert environment(injected(pod(container(), other)))["PGPORT"] == "5433"


def test_a_pod_with_the_other_operators_proxy_is_left_alone() -> None:  # 81
    (warning,) = warnings(pod(container(), initContainers=[native("csql-orders-db")]))

    assert warning.startswith("no proxy injected: container csql-orders-db is the proxy of cloud-sql-proxy-operator")
