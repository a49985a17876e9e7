"""Ports, images, resources and variables. Numbers in the comments are those of the list of tricky cases."""

from dataclasses import replace

import pytest

from support.podshapes import PG, SETTINGS, container, denied, environment, injected, pod, proxy, warnings


def test_the_proxy_moves_when_its_port_is_taken() -> None:  # 13
    body = pod(container(ports=[{"containerPort": 5432}]))

    assert environment(injected(body))["PGPORT"] == "5433"
    assert "--port=5433" in proxy(injected(body))["args"]
    assert warnings(body) == ("port 5432 is taken in the pod: the proxy listens on 5433, and PGPORT says so",)


def test_a_host_port_counts_as_taken() -> None:  # 13
    assert environment(injected(pod(container(ports=[{"containerPort": 80, "hostPort": 5432}]))))["PGPORT"] == "5433"


def test_a_port_that_was_asked_for_and_is_taken_is_refused() -> None:  # 14
    assert denied(pod(container(ports=[{"containerPort": 5432}]), annotations={"port": "5432"})) == (
        "422 iam.cloudsql.dev/port asks for 5432, which container web uses: "
        "choose another port, or leave the annotation out"
    )


def test_a_port_can_be_asked_for() -> None:
    body = injected(pod(annotations={"port": " 6543 "}))  # 56

    assert environment(body)["PGPORT"] == "6543"
    assert "--port=6543" in proxy(body)["args"]


@pytest.mark.parametrize("port", ["0", "70000", "abc", "5432.0"])  # 56
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert denied(pod(annotations={"port": port})).startswith("422 iam.cloudsql.dev/port: is ")


def test_health_and_admin_ports_move_up_past_init_containers_too() -> None:  # 16
    busy = [container("i", ports=[{"containerPort": 9801}, {"containerPort": 9091, "protocol": "TCP"}])]

    arguments = proxy(injected(pod(initContainers=busy)))["args"]

    assert "--http-port=9802" in arguments
    ordinary = injected(pod(initContainers=busy, restartPolicy="Never", annotations={"native-sidecar": "false"}))
    assert "--admin-port=9092" in proxy(ordinary)["args"]


def test_udp_ports_do_not_clash() -> None:  # 16
    body = pod(container(ports=[{"containerPort": 9801, "protocol": "UDP"}]))

    assert "--http-port=9801" in proxy(injected(body))["args"]


def test_the_proxys_own_ports_never_clash_with_each_other() -> None:
    arguments = proxy(injected(pod(annotations={"port": "9801", "admin-port": "9091"})))["args"]

    assert {"--port=9801", "--http-port=9802", "--admin-port=9091"} <= set(arguments)


@pytest.mark.parametrize(
    ("annotations", "resources"),
    [
        ({"memory-request": "128Mi"}, {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}),
        ({"memory-request": "1Gi"}, {"requests": {"cpu": "50m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}}),
        ({"memory-limit": "32Mi"}, {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "32Mi"}}),
        ({"memory-limit": "0"}, {"requests": {"cpu": "50m", "memory": "64Mi"}}),
        (
            {"cpu-request": "1", "cpu-limit": "2"},
            {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"cpu": "2", "memory": "256Mi"}},
        ),
    ],
)
def test_resources_follow_the_annotations(annotations: dict[str, str], resources: dict[str, dict[str, str]]) -> None:
    assert proxy(injected(pod(annotations=annotations)))["resources"] == resources  # 57


@pytest.mark.parametrize("annotations", [{"memory-limit": "64mb"}, {"memory-request": "2Gi", "memory-limit": "1Gi"}])
def test_resources_that_cannot_be_are_refused(annotations: dict[str, str]) -> None:  # 57
    assert denied(pod(annotations=annotations)).startswith("422 iam.cloudsql.dev/memory-")


def test_a_typing_error_is_refused_with_the_name_that_was_meant() -> None:  # 59
    assert denied(pod(annotations={"prot": "1"})).startswith(
        "422 iam.cloudsql.dev/prot: no such annotation; did you mean iam.cloudsql.dev/port"
    )


def test_an_image_of_the_administrators_repositories_can_be_asked_for() -> None:
    image = "eu.gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.21.1-alpine"

    assert proxy(injected(pod(annotations={"image": image})))["image"] == image


@pytest.mark.parametrize(
    ("image", "problem"),
    [
        ("evil.example/cloud-sql-proxy:2.27.0", "the administrator allows only images of gcr.io/cloud-sql-connectors/"),
        ("gcr.io/cloud-sql-connectors/cloud-sql-proxy-x:2.27.0", "the administrator allows only images of "),
        ("gcr.io/cloudsql-docker/gce-proxy:1.37", "the proxy v1: use "),
        ("gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.7.2", "the proxy must be 2.8.0 or newer"),
    ],
)
def test_other_images_are_refused(image: str, problem: str) -> None:  # 68
    assert problem in denied(pod(annotations={"image": image}))


def test_an_allowed_prefix_covers_the_repositories_below_it() -> None:
    mirror = replace(SETTINGS, allowed_images=("mirror.acme.example:5000/google/",))
    image = "mirror.acme.example:5000/google/cloud-sql-proxy@sha256:" + "0" * 64

    assert proxy(injected(pod(annotations={"image": image}), settings=mirror))["image"] == image


def test_variables_come_first_so_that_the_users_own_may_refer_to_them() -> None:  # 66
    body = injected(pod(container(env=[{"name": "DSN", "value": "postgres://$(PGUSER)@$(PGHOST)"}])))

    assert list(environment(body)) == [*PG, "DSN"]
