"""Shapes of pods. Numbers in the comments are those of the list of tricky cases."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Injected, Unchanged
from cloudsql_iam_operator.core.injection.plan import MalformedPod, plan
from support.podshapes import (
    FACTS,
    PG,
    SETTINGS,
    container,
    denied,
    environment,
    injected,
    planned,
    pod,
    proxy,
    warnings,
)

PROXY = {
    "name": "cloudsql-proxy",
    "image": "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.27.0",
    "imagePullPolicy": "IfNotPresent",
    "restartPolicy": "Always",
    "args": [
        "--auto-iam-authn",
        "--address=127.0.0.1",
        "--port=5432",
        "--private-ip",
        "--structured-logs",
        "--health-check",
        "--http-address=127.0.0.1",
        "--http-port=9801",
        "--exit-zero-on-sigterm",
        "acme-prod:europe-west1:orders",
    ],
    "startupProbe": {
        "exec": {
            "command": [
                "/cloud-sql-proxy",
                "wait",
                "--http-address=127.0.0.1",
                "--http-port=9801",
                "--max=4s",
            ]
        },
        "periodSeconds": 1,
        "timeoutSeconds": 6,
        "failureThreshold": 60,
    },
    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsGroup": 65532,
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}


def names(body: dict[str, Any], place: str) -> list[str]:
    return [c["name"] for c in body["spec"][place]]


def test_the_proxy_is_a_native_sidecar_that_passes_pod_security_restricted() -> None:
    assert proxy(injected(pod())) == PROXY


def test_lists_that_are_missing_are_made() -> None:  # 1
    outcome = planned(pod())

    assert isinstance(outcome, Injected)
    assert [operation.path for operation in outcome.operations] == [
        "/spec/containers/0/env",
        "/spec/initContainers",
        "/metadata/annotations/iam.cloudsql.dev~1status",
    ]


@pytest.mark.parametrize("empty", [None, []])
def test_lists_that_are_null_or_empty_are_made(empty: object) -> None:  # 1, 2
    body = injected(pod(container(env=empty), initContainers=empty))

    assert environment(body) == PG
    assert names(body, "initContainers") == ["cloudsql-proxy"]


def test_every_container_gets_the_environment_and_the_pod_one_proxy() -> None:  # 2
    body = injected(pod(container("a"), container("b", env=[]), container("c", env=[{"name": "X", "value": "1"}])))

    assert [environment(body, name) for name in "abc"] == [PG, PG, {**PG, "X": "1"}]
    assert names(body, "initContainers") == ["cloudsql-proxy"]


def test_only_named_containers_get_the_environment() -> None:  # 3
    body = injected(pod(container("web"), container("worker"), annotations={"containers": "web"}))

    assert (environment(body, "web"), environment(body, "worker")) == (PG, {})


def test_an_excluded_container_gets_no_environment() -> None:  # 3
    body = injected(pod(container("web"), container("worker"), annotations={"containers": "!worker"}))

    assert (environment(body, "web"), environment(body, "worker")) == (PG, {})


def test_a_container_that_does_not_exist_is_refused_with_those_that_do() -> None:  # 3
    text = denied(pod(container("web"), container("worker"), annotations={"containers": "wbe"}))

    assert text == "422 iam.cloudsql.dev/containers names wbe, which the pod does not have; it has web, worker"


def test_migrations_in_init_containers_find_the_proxy_running() -> None:  # 4
    body = injected(pod(initContainers=[container("migrate")]))

    assert names(body, "initContainers") == ["cloudsql-proxy", "migrate"]
    assert environment(body, "migrate") == PG


def test_sidecars_of_the_user_come_after_the_proxy_in_their_order() -> None:  # 5
    sidecars = [container("logs", restartPolicy="Always"), container("metrics", restartPolicy="Always")]

    assert names(injected(pod(initContainers=sidecars)), "initContainers") == ["cloudsql-proxy", "logs", "metrics"]


def test_a_pod_without_a_name_is_spoken_of_by_its_prefix() -> None:  # 11
    body = pod(annotations={"port": "0"})
    body["metadata"] = {"generateName": "web-7f9-", "annotations": body["metadata"]["annotations"]}

    outcome = plan(body, FACTS, SETTINGS)

    assert getattr(outcome, "message", "").startswith("cannot inject a proxy into pod orders/web-7f9-*: ")


def test_a_pod_on_the_host_network_is_refused() -> None:  # 12
    assert denied(pod(hostNetwork=True)).startswith("422 it uses hostNetwork: ")


@pytest.mark.parametrize("spec", [{"os": {"name": "windows"}}, {"nodeSelector": {"kubernetes.io/os": "windows"}}])
def test_a_windows_pod_is_refused(spec: dict[str, Any]) -> None:  # 21
    assert denied(pod(**spec)).startswith("422 it is a Windows pod")


@pytest.mark.parametrize("place", ["containers", "initContainers", "ephemeralContainers"])
def test_a_container_with_our_name_is_not_taken_over(place: str) -> None:  # 18, 19
    body = pod()
    body["spec"].setdefault(place, []).append(container("cloudsql-proxy"))

    assert denied(body) == "422 it has a container named cloudsql-proxy of its own: give that another name"


@pytest.mark.parametrize(
    "spec",
    [
        {"runtimeClassName": "gvisor"},  # 22
        {"shareProcessNamespace": True},  # 23
        {"automountServiceAccountToken": False},  # 24
        {"nodeName": "node-1"},  # 26
        {"securityContext": {"runAsUser": 0}},  # 71
        {"fieldOfTheFuture": {"deep": [None, 1.5, True, "ü"]}},  # 28
    ],
)
def test_settings_of_the_pod_that_do_not_matter_survive(spec: dict[str, Any]) -> None:
    assert environment(injected(pod(**spec))) == PG


def test_a_mirror_pod_is_neither_changed_nor_refused() -> None:  # 25
    body = pod(annotations={"nonsense": "x"})
    body["metadata"]["annotations"]["kubernetes.io/config.mirror"] = "abc"

    assert planned(body) == Unchanged(Code.MIRROR_POD)


def test_a_hundred_containers_with_a_hundred_variables_each_are_patched_element_by_element() -> None:  # 27
    crowd = [container(f"c{n}", env=[{"name": f"V{i}", "value": "x"} for i in range(100)]) for n in range(100)]

    outcome = planned(pod(*crowd))

    assert isinstance(outcome, Injected)
    assert len(outcome.operations) == 100 * 4 + 2


def test_annotations_with_odd_names_stay() -> None:  # 30
    body = pod()
    body["metadata"]["annotations"]["ex~ample.org/ä~1b"] = "x"

    assert injected(body)["metadata"]["annotations"]["ex~ample.org/ä~1b"] == "x"


@pytest.mark.parametrize("annotations", [None, {}, {"example.org/inject": "true"}])
def test_a_pod_that_asks_for_nothing_is_left_alone(annotations: object) -> None:  # 38
    body = pod()
    body["metadata"]["annotations"] = annotations

    assert planned(body) == Unchanged(Code.NO_ANNOTATIONS)


@pytest.mark.parametrize("spelling", ["false", "False", "no", "off"])
def test_a_pod_can_opt_out(spelling: str) -> None:  # 37
    assert planned(pod(annotations={"inject": spelling})) == Unchanged(Code.OPTED_OUT)


@pytest.mark.parametrize("spelling", ["", "1", "Checkout", "other/web"])  # 37, 47
def test_a_wish_that_cannot_be_meant_is_refused(spelling: str) -> None:
    assert denied(pod(annotations={"inject": spelling})).startswith("422 iam.cloudsql.dev/inject: is ")


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": []},
        {"spec": "x"},
        {"spec": {"containers": {}}},
        {"spec": {"containers": [3]}},
        {"spec": {"containers": [container()] * 1001}},
        {"spec": {"containers": [{"env": [{"name": 5}]}]}},
        {"metadata": {"annotations": {"iam.cloudsql.dev/inject": True}}},
    ],
)
def test_json_that_is_no_pod_is_called_malformed(body: dict[str, Any]) -> None:  # 40
    with pytest.raises(MalformedPod):
        plan(body, FACTS, SETTINGS)


@pytest.mark.parametrize("kept", [True, False])
def test_a_policy_that_nobody_keeps_is_pointed_out(kept: bool) -> None:
    settings = replace(SETTINGS, network_policies=kept)

    told = warnings(pod(annotations={"network-policy": "true"}), FACTS, settings)

    text = "iam.cloudsql.dev/network-policy does nothing here: the administrator has not enabled networkPolicies"
    assert told == (() if kept else (f"{text} in the chart",))
