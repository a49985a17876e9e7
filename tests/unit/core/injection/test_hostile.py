"""Pods that are made to hurt: large, deep, doubled, of wrong types. Each gets an answer, and soon."""

import json
import time
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.plan import MalformedPod, plan
from support.podshapes import FACTS, SETTINGS, container, denied, pod

JSON = dict[str, Any]

SECONDS = 8.0
"""Of this thread's CPU; the slowest takes a tenth of it on a machine that has something else to do as well."""

STORED = 1_500_000
"""Bytes of a patch; an API server stores no object of more."""

LARGE = 400_000
PIECES = [
    "a",
    "$",
    "$(A)",
    "${A",
    "'",
    '"',
    "\\",
    "`",
    ";",
    ">",
    "(",
    " ",
    "\n",
    ",",
    "!",
    "[",
    "{",
    ":",
    "@",
    "/",
    "\u00e9",
    "\0",
]
PIECES += [
    "postgres://",
    "host=a ",
    "Host=a;",
    "cloud-sql-proxy ",
    "cloud-sql-proxy p:r:i;",
    "sh -c '",
    "$(which ",
    "-L1:a:2 ",
]
VALUES = ("containers", "instances", "user", "database", "image", "unix-socket", "extra-args", "cpu-request", "status")


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


def doubling(number: int) -> list[JSON]:
    """Variables of which each is twice the one before."""
    chain = [{"name": f"V{n}", "value": f"$(V{n - 1})$(V{n - 1})"} for n in range(1, number)]
    return [{"name": "V0", "value": "x" * 100}, *chain]


def many(number: int, **fields: Any) -> list[JSON]:
    return [container(f"{'c' * 30}{index}", **fields) for index in range(number)]


def socket(number: int) -> JSON:
    return {"name": f"p:r:i{number}", "socket": f"/run/sql-{number}"}


SHAPES: dict[str, JSON] = {
    "more containers than anybody needs": pod(*many(3000)),
    "a thousand containers": pod(*many(1000)),
    "a thousand shell lines": pod(*many(1000, command=["sh", "-c"], args=["cloud-sql-proxy p:r:i & app $A ${B:-x}"])),
    "a thousand sidecars": pod(initContainers=many(1000, restartPolicy="Always")),
    "thousands of variables": pod(
        container(env=[{"name": f"V{n}", "value": "postgres://u@warehouse/x"} for n in range(20_000)])
    ),
    "every port": pod(container(ports=[{"containerPort": port} for port in range(1, 65536)])),
    "variables without end": pod(
        container(image="x/cloud-sql-proxy", command=["$(V400)"], env=doubling(500)),
    ),
    "shell variables without end": pod(
        container(command=["sh", "-c", "V0=x; " + "; ".join(f"V{n}=$V{n - 1}$V{n - 1}" for n in range(1, 999))])
    ),
    "loops in loops": pod(
        container(command=["sh", "-c", "for a in p:r:i p:r:j; do " * 500 + "cloud-sql-proxy $a" + "; done" * 500])
    ),
    "parameters without end": pod(
        container(command=["sh", "-c", 'set -- "$@" "$@"; ' * 60 + 'exec "$@"', *["p:r:i"] * 99])
    ),
    "instances for hundreds": pod(*many(900), annotations={"instances": ",".join(f"p:r:i{n}" for n in range(99))}),
    "sockets for hundreds": pod(
        *many(900), annotations={"env": "none", "instances": json.dumps([socket(n) for n in range(99)])}
    ),
    "as many instances": pod(
        *many(300), annotations={"inject": "true", "instances": ",".join(f"p:r:i{n}" for n in range(99))}
    ),
    "names that are left out": pod(
        *many(1000), annotations={"containers": ",".join(f"!{'c' * 30}{n}x" for n in range(99))}
    ),
    "names that are not there": pod(*many(1000), annotations={"containers": ",".join(f"d{n}" for n in range(99))}),
    "one name many times": pod(*[container("web", env=[{"name": "PGHOST", "value": "a"}] * 50) for _ in range(50)]),
    "a proxy with many words": pod(container(command=["cloud-sql-proxy"], args=["--port=1", "p:r:i"] * 20_000)),
    "a proxy v1 with many instances": pod(
        container(command=["cloud_sql_proxy", "-instances=" + "p:r:i=tcp:5432," * 20_000])
    ),
    "many annotations": pod(annotations={f"made-up-{number}": "x" for number in range(5000)}),
    "a long name of an annotation": pod(annotations={"x" * LARGE: "x"}),
    "depth beside": pod(container(future=nested(900)), future=nested(900)),
    "depth in a value": pod(container(env=[{"name": "A", "value": nested(50_000)}])),
    "depth in JSON": pod(annotations={"inject": "true", "instances": "[" * LARGE}),
    "depth in a status": pod(container("cloudsql-proxy"), annotations={"status": '{"a":' * 50_000}),
    "half a character": pod(container(args=["\ud800 p:r:i"], env=[{"name": "\ud800", "value": "\udfff"}])),
    "numbers without bounds": pod(
        container(ports=[{"containerPort": 10**30}], resources={"limits": {"cpu": float("inf")}}),
        terminationGracePeriodSeconds=10**30,
        resources={"requests": {"cpu": "1e-99", "memory": float("nan")}},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pod_that_is_made_to_hurt_is_answered_soon(shape: str) -> None:
    assert soon(SHAPES[shape])


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_word_is_answered_soon_wherever_it_stands(piece: str) -> None:
    word = piece * (LARGE // len(piece))
    env = [{"name": name, "value": word} for name in ("A", "INSTANCES", "CSQL_PROXY_INSTANCE_CONNECTION_NAME")]

    assert soon(pod(container(command=["sh", "-c"], args=[word])))
    assert soon(pod(container(args=[word, "proxy"], env=env, image="x/cloud-sql-proxy")))
    assert soon(pod(container(name=word, image=word)))
    assert all(soon(pod(annotations={"inject": "true", name: word})) for name in VALUES)


def test_a_pod_whose_containers_would_get_more_than_is_stored_is_told_what_helps() -> None:
    many_variables, many_mounts = (
        denied(SHAPES[shape]) for shape in ("instances for hundreds", "sockets for hundreds")
    )

    assert many_variables.endswith(
        "900 containers would get 361800 variables together, and 10000 are the most: name those that need them in "
        "iam.cloudsql.dev/containers, or set iam.cloudsql.dev/env to none"
    )
    assert many_mounts.endswith("10000 are the most: put the sockets into one directory")


def soon(body: JSON) -> bool:
    began = time.thread_time()
    try:
        outcome = plan(body, FACTS, SETTINGS)
    except MalformedPod:
        return True
    assert time.thread_time() - began < SECONDS
    assert all(len(warning) < 400 for warning in getattr(outcome, "warnings", ()))
    assert sum(len(each.written) for each in getattr(outcome, "operations", ())) < STORED
    return True
