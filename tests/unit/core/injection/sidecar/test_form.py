"""Native, hooked or ordinary: what the kubelets can do, what the pod asks for, and what follows for the container."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.cluster.surroundings import kubelets
from cloudsql_iam_operator.core.injection.facts import Facts
from support.podshapes import FACTS, PG, container, denied, environment, injected, planned, pod, proxy, warnings

NEVER: dict[str, Any] = {"restartPolicy": "Never"}


def on(*versions: str) -> Facts:
    numbered = ((f"n{number}", version.split(".")) for number, version in enumerate(versions))
    found = {node: (int(major), int(minor), int(patch)) for node, (major, minor, patch) in numbered}
    return replace(FACTS, kubelets=kubelets(found))


def form(facts: Facts, wish: str = "auto", **spec: Any) -> str:
    built = proxy(injected(pod(annotations={"native-sidecar": wish}, **spec), facts))
    if "restartPolicy" not in built:
        return "ordinary"
    return "probed" if "startupProbe" in built else "hooked"


@pytest.mark.parametrize(
    ("versions", "wish", "spec", "expected"),
    [
        ((), "auto", {}, "probed"),
        ((), "auto", NEVER, "probed"),
        (("1.29.0", "1.35.9"), "auto", {}, "probed"),
        (("1.28.9", "1.33.9"), "auto", {}, "ordinary"),
        (("1.28.9", "1.33.9"), "auto", {"nodeName": "n1"}, "probed"),
        (("1.28.9", "1.33.9"), "auto", {"nodeName": "n0"}, "ordinary"),
        (("1.28.9", "1.33.9"), "auto", {"nodeName": "unknown"}, "ordinary"),
        (("1.33.9",), "false", {}, "ordinary"),
        (("1.33.9",), "true", {}, "probed"),
        (("1.32.11",), "auto", NEVER, "hooked"),
        (("1.33.6",), "auto", NEVER, "hooked"),
        (("1.33.7",), "auto", NEVER, "probed"),
        (("1.34.2",), "true", NEVER, "hooked"),
        (("1.34.3",), "auto", NEVER, "probed"),
        (("1.35.3",), "auto", NEVER, "hooked"),
        (("1.35.4", "1.36.0"), "auto", NEVER, "probed"),
        (("1.32.11",), "auto", {"restartPolicy": "OnFailure"}, "probed"),
    ],
)
def test_the_form_follows_the_kubelets(
    versions: tuple[str, ...], wish: str, spec: Any, expected: str
) -> None:  # 26, 85
    assert form(on(*versions), wish, **spec) == expected


def test_a_native_sidecar_that_a_node_would_wait_for_is_refused_with_its_name() -> None:  # 85
    assert denied(pod(annotations={"native-sidecar": "true"}), on("1.33.0", "1.28.3")) == (
        "422 iam.cloudsql.dev/native-sidecar is true, and node n1 runs kubelet 1.28.3, which knows no native sidecars: "
        "leave it out, or bind the pod to newer nodes"
    )


def test_a_hook_waits_as_long_as_the_probe_would() -> None:
    assert proxy(injected(pod(**NEVER), on("1.32.0")))["lifecycle"] == {
        "postStart": {
            "exec": {
                "command": [
                    *("/cloud-sql-proxy", "wait", "--http-address=127.0.0.1", "--http-port=9801"),
                    "--max=60s",
                ]
            }
        }
    }


def test_an_ordinary_sidecar_comes_last_and_leaves_kubectl_its_default() -> None:
    body = injected(pod(container(), container("worker")), on("1.28.0"))

    assert [c["name"] for c in body["spec"]["containers"]] == ["web", "worker", "cloudsql-proxy"]
    assert body["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "web"
    assert {"--min-sigterm-delay=5s", "--max-sigterm-delay=20s"} <= set(proxy(body)["args"])
    assert "--quitquitquit" not in proxy(body)["args"]
    assert environment(body) == PG


def test_an_ordinary_sidecar_of_a_pod_with_little_grace_ends_at_once() -> None:
    arguments = proxy(injected(pod(terminationGracePeriodSeconds=10), on("1.28.0")))["args"]

    assert not [argument for argument in arguments if "sigterm-delay" in argument]


def test_what_kubectl_shows_first_stays_what_the_pod_says() -> None:
    body = pod()
    body["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "worker"

    after = injected(body, on("1.28.0"))

    assert after["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "worker"


@pytest.mark.parametrize(
    "spec",
    [NEVER, {"restartPolicy": "OnFailure"}],
)
def test_a_job_beside_an_ordinary_sidecar_is_told_how_to_end_it(spec: dict[str, Any]) -> None:  # 7
    body = pod(**spec)
    after = injected(body, on("1.28.0"))

    assert {"--quitquitquit", "--admin-port=9091", "--exit-zero-on-sigterm"} <= set(proxy(after)["args"])
    assert environment(after)["CSQL_PROXY_QUIT_URLS"] == "http://127.0.0.1:9091/quitquitquit"
    (warning,) = warnings(body, on("1.28.0"))
    assert "CSQL_PROXY_QUIT_URLS" in warning


def test_a_job_beside_a_native_sidecar_needs_to_know_nothing() -> None:  # 6
    after = injected(pod(**NEVER))

    assert environment(after) == PG
    assert "--quitquitquit" not in proxy(after)["args"]


def test_init_containers_before_an_ordinary_sidecar_are_pointed_out() -> None:  # 4
    body = pod(initContainers=[container("migrate"), container("agent", restartPolicy="Always")])

    assert warnings(body, on("1.28.0")) == (
        "init containers (migrate) cannot reach the database: the proxy starts after them",
    )
    assert warnings(body) == ()


def test_an_ordinary_sidecar_is_found_again() -> None:
    body = injected(pod(**NEVER), on("1.28.0"))
    body["spec"]["containers"].append(container("late"))

    outcome = planned(body, on("1.28.0"))

    assert environment(injected(body, on("1.28.0")), "late")["CSQL_PROXY_QUIT_URLS"]
    assert not getattr(outcome, "warnings", ())
