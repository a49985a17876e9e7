"""Meshes and other sidecars. Numbers in the comments are those of the list of tricky cases."""

from typing import Any

import pytest

from support.podshapes import PG, container, environment, injected, pod, proxy, warnings


def native(name: str) -> dict[str, Any]:
    return container(name, restartPolicy="Always")


@pytest.mark.parametrize("mesh", ["istio-proxy", "linkerd-proxy", "kuma-sidecar", "consul-dataplane", "envoy"])
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


@pytest.mark.parametrize("mesh", [("istio-validation", "istio-proxy"), ("kuma-validation", "kuma-sidecar")])
def test_a_mesh_with_cni_and_a_classic_proxy_is_pointed_out(mesh: tuple[str, str]) -> None:  # 75
    (warning,) = warnings(pod(container(), container(mesh[1]), initContainers=[container(mesh[0])]))

    assert warning.startswith(f"the mesh's CNI captures traffic before {mesh[1]} runs")


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
