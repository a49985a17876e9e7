"""Whatever pod comes along, a plan leaves what is not its own alone and is done after one application."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.core.injection.facts import Facts, KubeletFact, LimitRangeFact, NamespaceFact, QuotaFact
from cloudsql_iam_operator.core.injection.outcome import Denied
from cloudsql_iam_operator.core.injection.plan import plan
from cloudsql_iam_operator.core.injection.shelf import Shelf
from support.podshapes import FACTS, PG, SETTINGS, container, planned, pod

NAMES = ["web", "worker", "istio-proxy", "vault-agent", "migrate", "logs", "linkerd-proxy", "a", "b", "csql-x"]
TAKEN = [*NAMES, "cloudsql-proxy"]
VARIABLES = st.fixed_dictionaries(
    {"name": st.sampled_from([*PG, "DSN", "X~Y"])},
    optional={"value": st.text(max_size=5), "valueFrom": st.just({"fieldRef": {"fieldPath": "metadata.name"}})},
)
PORTS = st.fixed_dictionaries(
    {"containerPort": st.sampled_from([80, 5432, 5433, 9091, 9801])},
    optional={"hostPort": st.sampled_from([5432, 8080]), "protocol": st.sampled_from(["TCP", "UDP"])},
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "env": st.none() | st.lists(VARIABLES, max_size=4, unique_by=lambda variable: str(variable["name"])),
        "ports": st.none() | st.lists(PORTS, max_size=3),
        "args": st.lists(st.sampled_from(["--port=5432", "p:r:i", "run"]), max_size=2),
        "volumeMounts": st.just([{"name": "v", "mountPath": "/data"}]),
        "resources": st.just({"requests": {"memory": "1Gi"}}),
        "envFrom": st.just([{"configMapRef": {"name": "c"}}]),
        "future": st.recursive(st.none() | st.integers() | st.text(max_size=3), st.lists, max_leaves=3),
    },
)
ANNOTATIONS = st.fixed_dictionaries(
    {},
    optional={
        "inject": st.sampled_from(["checkout", "true", "checkout", "true", "false", "nobody", ""]),
        "port": st.sampled_from(["5433", "6543", "7000", "x"]),
        "containers": st.sampled_from(["*", "*", "web", "!worker"]),
        "database": st.sampled_from(["orders", "ä"]),
        "status": st.sampled_from(["", "{}", "[1]", '{"container":"cloudsql-proxy","instances":[]}']),
        "memory-limit": st.sampled_from(["0", "128Mi"]),
        "unix-socket": st.sampled_from(["/run/sql", "/data"]),
        "env": st.sampled_from(["pg", "prefix", "url", "none"]),
        "native-sidecar": st.sampled_from(["auto", "false"]),
        "instances": st.sampled_from(["p:r:i", "p:r:i,p:r:j", "db.acme.example"]),
        "credentials-secret": st.just("key"),
        "prometheus": st.sampled_from(["true", "9801", "false"]),
        "on-error": st.sampled_from(["skip", "deny"]),
        "identity-check": st.just("enforce"),
    },
)

SPECS: list[dict[str, Any]] = [
    {},
    {"future": 1},
    {"initContainers": None},
    {"hostNetwork": True},
    {"resources": {"limits": {"cpu": "1"}}},
    {"resources": {"requests": {"memory": "10Mi"}, "limits": {"memory": "20Mi"}}},
    {"restartPolicy": "Never", "volumes": [{"name": "v", "emptyDir": {}}]},
    {"imagePullSecrets": None, "volumes": []},
]


WORLDS = [
    FACTS,
    replace(FACTS, kubelets=(KubeletFact((1, 28, 0), frozenset({"old"})),)),
    replace(FACTS, kubelets=(KubeletFact((1, 32, 0), frozenset({"hangs"})),)),
    replace(
        FACTS,
        about=NamespaceFact(
            {"iam.cloudsql.dev/cpu-limit": "1"},
            (QuotaFact("q", frozenset({"limits.cpu", "limits.ephemeral-storage"})),),
            (LimitRangeFact("l", most={"memory": "100Mi"}), LimitRangeFact("m", of_pod=True, most={"memory": "1Gi"})),
        ),
    ),
]
SETTLED = replace(SETTINGS, pull_secrets=("mirror",), metadata_host="169.254.169.254")


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(TAKEN), min_size=1, max_size=5, unique=True))
    containers = [container(name, **draw(FIELDS)) for name in names]
    split = draw(st.integers(0, len(containers) - 1))
    init = [c | draw(st.sampled_from([{}, {"restartPolicy": "Always"}])) for c in containers[:split]]
    spec: dict[str, Any] = draw(st.sampled_from(SPECS))
    if init:
        spec = spec | {"initContainers": init}
    return pod(*containers[split:], annotations=draw(ANNOTATIONS), **spec)


@settings(max_examples=300)
@given(pods(), st.sampled_from(WORLDS))
def test_a_plan_is_harmless_complete_and_repeatable(body: dict[str, Any], facts: Facts) -> None:
    outcome = planned(body, facts, SETTLED)

    if isinstance(outcome, Denied):
        assert outcome.message.startswith("cannot inject a proxy into pod orders/web-1: ")
        assert outcome.status in (403, 422)
    else:
        assert all(len(warning) < 400 for warning in outcome.warnings)


@settings(max_examples=150)
@given(st.lists(st.tuples(pods(), st.sampled_from([*WORLDS, replace(FACTS, namespace="other", users=())])), max_size=6))
def test_what_was_planned_before_changes_no_plan(asked: list[tuple[dict[str, Any], Facts]]) -> None:
    shelf = Shelf()

    for body, facts in (asked + asked[::-1]) * 2:
        assert plan(body, facts, SETTLED, shelf) == plan(body, facts, SETTLED)
