"""What the proxy's container has besides flags: sockets, credentials, probes, variables, the user it runs as."""

from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.facts import NamespaceFact
from support.podshapes import FACTS, SETTINGS, container, denied, injected, planned, pod, proxy, warnings

SOCKETS = {"name": "cloudsql-proxy-sockets", "mountPath": "/run/sql"}


def built(settings: Any = SETTINGS, facts: Any = FACTS, **annotations: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in annotations.items()}
    return proxy(injected(pod(annotations=named), facts, settings))


def test_only_the_chosen_containers_reach_the_socket() -> None:  # 62
    body = injected(pod(container("web"), container("x"), annotations={"unix-socket": "/run/sql", "containers": "web"}))
    web, other = body["spec"]["containers"]

    assert body["spec"]["volumes"] == [{"name": "cloudsql-proxy-sockets", "emptyDir": {}}]
    assert web["volumeMounts"] == proxy(body)["volumeMounts"] == [SOCKETS]
    assert "volumeMounts" not in other
    assert "--unix-socket=/run/sql" in proxy(body)["args"]
    assert not [argument for argument in proxy(body)["args"] if argument.startswith(("--port", "--address"))]


def test_sockets_in_several_directories_have_a_volume_each() -> None:
    wish = '[{"name": "p:r:a", "socket": "/run/a"}, {"name": "p:r:b", "socket": "/run/b"}, {"name": "p:r:c"}]'

    body = injected(pod(annotations={"inject": "true", "instances": wish}))

    assert [volume["name"] for volume in body["spec"]["volumes"]] == [
        "cloudsql-proxy-sockets",
        "cloudsql-proxy-sockets-2",
    ]
    assert proxy(body)["args"][-3:] == ["p:r:a?unix-socket=/run/a", "p:r:b?unix-socket=/run/b", "p:r:c?port=5432"]


def test_a_container_that_comes_later_gets_the_socket_too() -> None:
    body = injected(pod(annotations={"unix-socket": "/run/sql"}, volumes=[{"name": "own", "emptyDir": {}}]))
    body["spec"]["containers"].append(container("late", volumeMounts=[{"name": "own", "mountPath": "/own"}]))

    late = injected(body)["spec"]["containers"][1]

    assert [mount["mountPath"] for mount in late["volumeMounts"]] == ["/own", "/run/sql"]


@pytest.mark.parametrize("path", ["/run/sql", "/run/sql/"])
def test_a_directory_that_a_container_has_is_refused(path: str) -> None:  # 63
    body = pod(container(volumeMounts=[{"name": "v", "mountPath": path}]), annotations={"unix-socket": "/run/sql"})

    assert denied(body) == (
        "422 iam.cloudsql.dev/unix-socket is /run/sql, where container web mounts something else: "
        "choose another directory"
    )


def test_the_directory_of_the_key_is_no_place_for_sockets() -> None:
    body = pod(annotations={"unix-socket": "/var/run/secrets/cloudsql-proxy", "credentials-secret": "k"})

    assert "which a container needs itself" in denied(body)


def test_a_volume_of_our_name_is_refused() -> None:
    body = pod(annotations={"unix-socket": "/run/sql"}, volumes=[{"name": "cloudsql-proxy-sockets"}])

    assert denied(body).startswith("422 it has a volume named cloudsql-proxy-sockets of its own")


def test_a_socket_whose_path_is_too_long_for_the_kernel_is_refused() -> None:
    assert "is longer than the 107 bytes" in denied(pod(annotations={"unix-socket": "/run/" + "x" * 70}))


def test_a_key_is_mounted_into_the_proxy_alone_and_its_identity_is_not_known() -> None:
    body = pod(annotations={"credentials-secret": "sql-key:key.json"})
    after = injected(body)

    assert after["spec"]["volumes"] == [
        {
            "name": "cloudsql-proxy-credentials",
            "secret": {"secretName": "sql-key", "items": [{"key": "key.json", "path": "key.json"}]},
        }
    ]
    assert proxy(after)["volumeMounts"] == [
        {"name": "cloudsql-proxy-credentials", "mountPath": "/var/run/secrets/cloudsql-proxy", "readOnly": True}
    ]
    assert "--credentials-file=/var/run/secrets/cloudsql-proxy/key.json" in proxy(after)["args"]
    assert "volumeMounts" not in after["spec"]["containers"][0]
    assert warnings(body) == (
        "the identity behind iam.cloudsql.dev/credentials-secret is not verified: Secrets are not read",
    )


def test_keys_can_be_switched_off_for_everybody() -> None:
    settings = replace(SETTINGS, credentials_secrets=False)

    assert "switched off" in denied(pod(annotations={"credentials-secret": "k"}), settings=settings)


def test_a_readiness_probe_and_metrics_are_answered_on_the_pods_address() -> None:
    made = built(readiness_probe="true", prometheus="true")

    assert made["readinessProbe"]["httpGet"] == {"path": "/readiness", "port": 9801}
    assert made["ports"] == [{"name": "csql-metrics", "containerPort": 9801, "protocol": "TCP"}]
    assert len(made["ports"][0]["name"]) <= 15


@pytest.mark.parametrize("annotations", [{}, {"readiness_probe": "true"}, {"native_sidecar": "false"}])
def test_no_probe_or_hook_names_a_host(annotations: dict[str, str]) -> None:  # 70
    assert "'host'" not in str(built(**annotations))


def test_the_platform_that_assigns_users_is_left_to_it() -> None:
    about = NamespaceFact(annotations={"openshift.io/sa.scc.uid-range": "1000650000/10000"})

    context = built(facts=replace(FACTS, about=about))["securityContext"]

    assert context["runAsNonRoot"] is True
    assert {"runAsUser", "runAsGroup"}.isdisjoint(context)
    assert built()["securityContext"]["runAsUser"] == 65532


def test_a_late_metadata_server_is_waited_for_unless_a_key_is_the_identity() -> None:
    settings = replace(SETTINGS, metadata_host="169.254.169.254")

    assert built(settings)["env"] == [{"name": "GCE_METADATA_HOST", "value": "169.254.169.254"}]
    assert "env" not in built(settings, credentials_secret="key")


def test_the_way_out_is_that_of_the_chart_or_of_the_application() -> None:
    way = [{"name": "HTTPS_PROXY", "value": "http://squid:3128"}, {"name": "NO_PROXY", "value": "10.0.0.0/8"}]
    body = pod(container("a"), container("b", env=[*way, {"name": "X", "value": "y"}]))
    settings = replace(SETTINGS, environment=(("HTTPS_PROXY", "http://way.out:1"),))

    assert proxy(injected(body))["env"] == way
    assert proxy(injected(body, settings=settings))["env"] == [{"name": "HTTPS_PROXY", "value": "http://way.out:1"}]
    assert "env" not in built()


def test_a_way_out_that_cannot_be_seen_is_not_taken_over() -> None:
    body = pod(container(env=[{"name": "HTTPS_PROXY", "value": "http://$(HOST):1"}]))

    assert "env" not in proxy(injected(body))


def test_pull_secrets_are_added_to_those_that_are_there() -> None:
    settings = replace(SETTINGS, pull_secrets=("mirror", "own"))

    body = injected(pod(imagePullSecrets=[{"name": "own"}]), settings=settings)

    assert body["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "mirror"}]
    assert injected(pod(), settings=settings)["spec"]["imagePullSecrets"] == [{"name": "mirror"}, {"name": "own"}]


def test_the_image_is_pulled_as_the_pod_says() -> None:
    assert built(image_pull_policy="always")["imagePullPolicy"] == "Always"
    assert built()["imagePullPolicy"] == "IfNotPresent"


def test_the_container_has_the_same_name_in_every_pod() -> None:  # 82
    assert built()["name"] == built(unix_socket="/x", native_sidecar="false")["name"] == "cloudsql-proxy"


def test_the_same_pod_gets_the_same_answer() -> None:  # 39
    body = pod(annotations={"unix-socket": "/run/sql", "credentials-secret": "k", "instances": "p:r:a,p:r:b"})

    assert planned(body) == planned(body)
