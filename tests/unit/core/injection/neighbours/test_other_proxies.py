"""Proxies of others, told by what they dial and listen on. Numbers are those of the list of tricky cases."""

from itertools import product
from typing import Any, NamedTuple

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Unchanged
from support.podshapes import container, denied, environment, injected, planned, pod, proxy, warnings

OURS = "acme-prod:europe-west1:orders"
LEGACY = "acme-prod:europe-west1:legacy"
AUDIT = "acme-prod:europe-west1:audit"
ALLOYDB = "projects/acme/locations/europe-west1/clusters/c/instances/"
GOOGLE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.11.0"
MIRROR = "registry.acme.example/mirror/cloud-sql-proxy:2.15.1"

JSON = dict[str, Any]


class Way(NamedTuple):
    """How a proxy is told what to do: words before, its image, and whether it is v1 or AlloyDB's."""

    kind: str
    source: str


KINDS = ("v2", "v1", "google-operator", "alloydb", "mirrored", "renamed")
SOURCES = ("args", "command", "environment", "reference", "shell", "shell-variable")
IMAGES = {
    "v2": GOOGLE,
    "google-operator": GOOGLE,
    "mirrored": MIRROR,
    "renamed": "registry.acme.example/platform/dbproxy:7",
    "v1": "gcr.io/cloudsql-docker/gce-proxy:1.33.1",
    "alloydb": "gcr.io/alloydb-connectors/alloydb-auth-proxy:1.10.1",
}
PROGRAMS = {"renamed": "/opt/dbproxy", "v1": "/cloud_sql_proxy", "alloydb": "/alloydb-auth-proxy"}
WAYS = [
    Way(kind, source)
    for kind, source in product(KINDS, SOURCES)
    # Google's operator writes arguments and environment only
    if kind != "google-operator" or source in ("args", "environment")
]


def neighbour(way: Way, instances: list[str], port: int | None) -> JSON:
    """A container with a proxy for these instances, listening from `port` on, or from the default."""
    words, variables = _told(way, instances, port)
    name = "csql-orders-db" if way.kind == "google-operator" else "db"
    if way.kind == "google-operator":
        variables |= {"CSQL_PROXY_USER_AGENT": "cloud-sql-proxy-operator/1.8.1"}
    told: JSON = {"image": IMAGES[way.kind], "env": [{"name": n, "value": v} for n, v in variables.items()]}
    program = PROGRAMS.get(way.kind, "/cloud-sql-proxy")
    match way.source:
        case "args" | "environment" | "reference":
            return container(name, args=words, **told)
        case "command":
            return container(name, command=[program, *words], **told)
        case _:
            line = f"set -e; until test -f /ready; do sleep 1; done\nexec {program} {' '.join(words)} & wait"
            return container(name, command=["/bin/sh", "-ec"], args=[line], **told)


def _told(way: Way, instances: list[str], port: int | None) -> tuple[list[str], dict[str, str]]:
    """Arguments and environment."""
    if way.kind == "v1":
        listed = ",".join(f"{name}=tcp:{(port or 5432) + index}" for index, name in enumerate(instances))
        return _placed(way, f"-instances={listed}", [f"-instances={listed}"], {"INSTANCES": listed})
    prefix, name = (
        ("ALLOYDB_PROXY", "INSTANCE_URI") if way.kind == "alloydb" else ("CSQL_PROXY", "INSTANCE_CONNECTION_NAME")
    )
    flags = [f"--port={port}"] if port else []
    variables = {f"{prefix}_{name}_{index}": instance for index, instance in enumerate(instances)}
    if port:
        variables[f"{prefix}_PORT"] = str(port)
    return _placed(way, instances[0], [*flags, "--structured-logs", *instances], variables)


def _placed(way: Way, value: str, words: list[str], variables: dict[str, str]) -> tuple[list[str], dict[str, str]]:
    match way.source:
        case "environment":
            return ["--structured-logs"] if way.kind != "v1" else [], variables
        case "reference":
            return [word if word != value else "$(INSTANCE)" for word in words], {"BARE": value, "INSTANCE": "$(BARE)"}
        case "shell-variable":
            return [word if word != value else '"${INSTANCE}"' for word in words], {"INSTANCE": value}
        case _:
            return words, {}


def of(way: Way, *names: str) -> list[str]:
    """Instances as the kind names them: AlloyDB's are never ours."""
    return [f"{ALLOYDB}{name.rpartition(':')[2]}" for name in names] if way.kind == "alloydb" else list(names)


@pytest.mark.parametrize("way", [way for way in WAYS if way.kind != "alloydb"], ids="-".join)
def test_a_proxy_for_the_same_instance_leaves_the_pod_as_it_is(way: Way) -> None:  # 79, 80, 81
    other = neighbour(way, [LEGACY, OURS], 5432)

    outcome = planned(pod(container(), other))

    assert isinstance(outcome, Unchanged)
    assert outcome.code is Code.OTHER_PROXY
    (warning,) = outcome.warnings
    assert warning.startswith(f"no proxy injected: container {other['name']} is a proxy for {OURS} already")
    assert len(warning) <= 250


@pytest.mark.parametrize("port", [5432, 5431, None], ids=["said", "counted-into", "default"])
@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_ours_listens_after_all_instances_of_a_proxy_for_others(way: Way, port: int | None) -> None:  # 80
    instances = of(way, LEGACY, AUDIT)

    body = injected(pod(container(), neighbour(way, instances, port)))

    assert environment(body)["PGPORT"] == {5432: "5434", 5431: "5433", None: "5434"}[port]


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_proxy_for_others_far_away_leaves_the_default_port_to_ours(way: Way) -> None:
    body = injected(pod(container(), neighbour(way, of(way, LEGACY), 6000)))

    assert environment(body)["PGPORT"] == "5432"


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_port_that_a_proxy_listens_on_is_refused_by_the_name_of_its_container(way: Way) -> None:
    other = neighbour(way, of(way, LEGACY), 6000)

    refusal = denied(pod(container(), other, annotations={"port": "6000"}))

    assert refusal == (
        f"422 iam.cloudsql.dev/port asks for 6000, which container {other['name']} uses: "
        "choose another port, or leave the annotation out"
    )


@pytest.mark.parametrize("way", [way for way in WAYS if way.kind != "alloydb"], ids="-".join)
def test_a_proxy_that_ends_before_the_application_starts_does_not_replace_ours(way: Way) -> None:
    body = injected(pod(container(), initContainers=[neighbour(way, [OURS], 5432)]))

    assert environment(body)["PGPORT"] == "5433"


@pytest.mark.parametrize("way", [way for way in WAYS if way.kind != "alloydb"], ids="-".join)
def test_a_native_sidecar_counts_like_any_other(way: Way) -> None:
    other = neighbour(way, [OURS], 5432) | {"restartPolicy": "Always"}

    assert isinstance(planned(pod(container(), initContainers=[other])), Unchanged)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("csql-loader", "acme/loader:1"),
        ("cloud-sql-proxy", "acme/web:1"),
        ("alloydb-auth-proxy", "acme/web:1"),
        ("cloud_sql_proxy-metrics", "acme/metrics:1"),
    ],
)
def test_a_name_alone_makes_no_proxy(name: str, image: str) -> None:
    body = injected(pod(container(), container(name, image=image)))

    assert environment(body, name)["PGPORT"] == "5432"


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_proxy_of_others_gets_no_variables_unless_it_is_named(way: Way) -> None:
    other = neighbour(way, of(way, LEGACY), 6000)

    left = injected(pod(container(), other))
    named = injected(pod(container(), other, annotations={"containers": other["name"]}))

    assert "PGPORT" not in environment(left, other["name"])
    assert environment(named, other["name"])["PGPORT"] == "5432"


@pytest.mark.parametrize(
    "application",
    [
        container(args=["--instance", OURS]),
        container(args=["serve", OURS]),
        container(command=["/app"], args=[OURS]),
        container(env=[{"name": "INSTANCE_CONNECTION_NAME", "value": OURS}]),
        container(command=["/app"], env=[{"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "value": OURS}]),
        container(
            command=["sh", "-c"], args=["until nc -z 127.0.0.1 5432; do sleep 1; done; echo cloud-sql-proxy is up"]
        ),
        container(command=["sh", "-c"], args=["curl -o cloud_sql_proxy https://dl.acme.example/cloud_sql_proxy"]),
        container(image=GOOGLE, command=["sh", "-c", "sleep 3600"]),
        container(image=GOOGLE, args=["wait", "--http-port=9801"]),
        container(image=GOOGLE, command=["/cloud-sql-proxy", "--version"]),
        container(args=["--database-url=postgres://u@127.0.0.1:5432/d"]),
    ],
    ids=str,
)
def test_an_application_that_only_speaks_of_an_instance_is_no_proxy(application: JSON) -> None:
    assert proxy(injected(pod(container("other"), application)))["name"] == "cloudsql-proxy"


@pytest.mark.parametrize(
    "other",
    [
        container("db", image=GOOGLE, env=[{"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "valueFrom": {"x": {}}}]),
        container("db", image=GOOGLE, envFrom=[{"configMapRef": {"name": "proxy"}}]),
        container("db", image=GOOGLE, args=["--config-file=/etc/proxy.toml"]),
        container("db", image=GOOGLE, args=["db.acme.example"]),
        container("db", image=GOOGLE, args=["--port=5432", "$(NOWHERE)"]),
        container("db", image="gcr.io/cloudsql-docker/gce-proxy:1.33", args=["-projects=acme", "-dir=/cloudsql"]),
        container("db", image="eu.gcr.io/cloudsql-docker/gce-proxy:1.33"),
        container("db", image=GOOGLE, args=["--fuse=/csql"]),
    ],
    ids=str,
)
def test_beside_a_proxy_whose_instance_cannot_be_seen_nothing_is_done_but_said(other: JSON) -> None:
    (warning,) = warnings(pod(container(), other))

    assert warning.startswith("no proxy injected: container db is")
    assert "for which instance cannot be seen in the pod" in warning
    assert warning.endswith(f"remove it if it is for {OURS}, else name its instance in its args")


def test_containers_that_share_their_variables_are_not_all_proxies() -> None:
    shared = [{"name": "CSQL_PROXY_INSTANCE_CONNECTION_NAME", "value": OURS}]

    (warning,) = warnings(pod(container(env=shared), container("db", image=GOOGLE, env=shared)))

    assert warning.startswith("no proxy injected: container db is")


@pytest.mark.parametrize(
    ("args", "way"),
    [
        ([OURS], "remove it, or take iam.cloudsql.dev/inject off"),
        (["--port=6543", OURS], 'remove it, annotate the pod with iam.cloudsql.dev/… port="6543", or take'),
        (
            [f"{OURS}?port=6543&private-ip=true"],
            'remove it, annotate the pod with iam.cloudsql.dev/… port="6543", or take',
        ),
        (["--gcloud-auth", OURS], "remove it (annotations have nothing for: --gcloud-auth), or take"),
        (["--static-thing", OURS], "remove it (annotations have nothing for: --static-thing), or take"),
    ],
)
def test_the_way_out_is_named_once(args: list[str], way: str) -> None:
    (warning,) = warnings(pod(container(), container("db", image=GOOGLE, args=args)))

    assert way in warning


def test_the_other_operators_proxy_goes_by_its_own_object() -> None:  # 81
    (warning,) = warnings(pod(container(), neighbour(Way("google-operator", "args"), [OURS], 5432)))

    assert "the proxy of cloud-sql-proxy-operator: take the workload out of its AuthProxyWorkload, or take" in warning


def test_a_proxy_whose_name_begins_like_the_other_operators_has_both_ways_out() -> None:  # 81
    (warning,) = warnings(pod(container(), container("csql-db", image=GOOGLE, args=[OURS])))

    way = (
        "remove it, or take the workload out of the AuthProxyWorkload that adds it, or take iam.cloudsql.dev/inject off"
    )
    assert warning.endswith(f"a Cloud SQL Auth Proxy: {way}")


def test_a_proxy_under_our_name_is_to_be_removed_and_not_to_be_renamed_first() -> None:  # 18
    (warning,) = warnings(pod(container(), container("cloudsql-proxy", image=GOOGLE, args=[OURS])))

    assert warning.startswith(f"no proxy injected: container cloudsql-proxy is a proxy for {OURS} already")


@pytest.mark.parametrize("args", [[], [LEGACY]])
def test_another_container_under_our_name_is_to_be_renamed(args: list[str]) -> None:  # 18
    image = GOOGLE if args else "acme/tool:1"

    refusal = denied(pod(container(), container("cloudsql-proxy", image=image, args=args)))

    assert refusal == "422 it has a container named cloudsql-proxy of its own: give that another name"
