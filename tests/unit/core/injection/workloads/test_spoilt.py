"""Manifests of which some members are something else: rewritten, refused or no manifest, and never a crash."""

import copy
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.core.injection.facts import Facts, ServiceFact
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.workloads.migration import migrated
from cloudsql_iam_operator.core.injection.workloads.rewritten import Rewritten, injected
from support.migrating import CONNECTION, deployment, v1, v2
from support.podshapes import FACTS, SETTINGS

POD_IP = {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
MOUNTS = [{"name": "key", "mountPath": "/secrets"}, {"name": "sql", "mountPath": "/cloudsql"}]
VOLUMES = [
    {"name": "key", "secret": {"secretName": "k", "items": [{"key": "a", "path": "b"}]}},
    {"name": "sql", "emptyDir": {}},
]
WHOLE = [
    deployment(v2("--auto-iam-authn", "-c", "/secrets/b", CONNECTION, volumeMounts=MOUNTS[:1]), volumes=VOLUMES[:1]),
    deployment(
        v1("-dir=/cloudsql", f"-instances={CONNECTION}", volumeMounts=MOUNTS[1:]),
        {"name": "app", "image": "acme/app:1", "volumeMounts": MOUNTS[1:]},
        volumes=VOLUMES[1:],
    ),
    deployment(
        initContainers=[v2("--quitquitquit", CONNECTION, restartPolicy="Always", resources={"limits": {"cpu": "1"}})]
    ),
]
PROBED = {"name": "app", "image": "acme/app:1", "readinessProbe": {"tcpSocket": {"port": 6000}}, "env": [POD_IP]}
WHOLE.append(
    deployment(
        v2("--address=0.0.0.0", f"{CONNECTION}?port=6000", ports=[{"containerPort": 6001, "name": "sql"}]), PROBED
    )
)
WHOLE[-1]["spec"]["template"]["metadata"] = {"labels": {"app": "web"}}
PIECES: list[Any] = [
    None,
    "",
    1,
    True,
    [],
    {},
    [None],
    [[]],
    ["a"],
    {"a": 1},
    {"name": None},
    [{"name": 1}],
    "$(A)",
    "--port",
]
PIECES += [{"secret": None}, {"secret": {"items": [None]}}, {"secret": "x"}, [{"mountPath": None}], {"items": 5}]


class World:
    """Facts, and a Service that may lead to a proxy."""

    def facts(self, _namespace: str, _account: str) -> Facts:
        return FACTS

    def services(self, _namespace: str) -> list[ServiceFact]:
        return [ServiceFact("db", {"app": "web"}, frozenset({"6000", "sql"}))]


WORLD = World()


def places(inside: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something is, below the template."""
    members = inside.items() if isinstance(inside, dict) else enumerate(inside) if isinstance(inside, list) else ()
    for member, value in members:
        yield (*above, member)
        yield from places(value, (*above, member))


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    body = copy.deepcopy(draw(st.sampled_from(WHOLE)))
    for _ in range(draw(st.integers(1, 3))):
        *steps, last = draw(st.sampled_from(list(places(body["spec"]["template"]))))
        holder = body["spec"]["template"]
        for step in steps:
            holder = holder[step]
        holder[last] = copy.deepcopy(draw(st.sampled_from(PIECES)))
    return body


@settings(max_examples=200)
@given(spoilt())
def test_a_spoilt_manifest_is_rewritten_refused_or_none(body: Any) -> None:
    for rewrite in (migrated, injected):
        before = copy.deepcopy(body)
        done = None
        with suppress(MalformedPod):
            done = rewrite(body, "orders", WORLD, SETTINGS)
        assert done is None or isinstance(done, Rewritten)
        assert body == before


@pytest.mark.parametrize("volume", [None, {"name": 1}, {"name": "key", "secret": {"items": [{"key": "a"}]}}])
def test_a_volume_that_is_none_is_told(volume: Any) -> None:
    body = deployment(v2(CONNECTION), volumes=[volume])

    with pytest.raises(MalformedPod, match=r"one of volumes|one of items|was expected"):
        migrated(body, "orders", WORLD, SETTINGS)


@pytest.mark.parametrize(
    ("spec", "missing"),
    [
        (None, "spec"),
        ({"containers": [None]}, "spec.containers.0"),
        ({"containers": [{"name": "web"}], "initContainers": [None]}, "spec.initContainers.0"),
    ],
)
def test_a_template_without_what_the_proxy_is_added_to_is_told(spec: Any, missing: str) -> None:
    body = deployment()
    body["spec"]["template"] |= {"spec": spec}
    body["spec"]["template"]["metadata"] = {"annotations": {"iam.cloudsql.dev/inject": "checkout"}}

    with pytest.raises(MalformedPod, match=f"^{re.escape(missing)} is missing$"):
        injected(body, "orders", WORLD, SETTINGS)


def test_a_volume_without_a_name_is_none_that_the_proxy_mounts() -> None:
    mounts = [{"name": "sql", "mountPath": ""}]
    proxy = v1("-dir=/cloudsql", f"-instances={CONNECTION}", volumeMounts=mounts)

    done = migrated(deployment(proxy, volumes=[{"name": "", "emptyDir": {}}]), "orders", WORLD, SETTINGS)

    (refusal,) = done.refusals
    assert refusal.endswith("its sockets in /cloudsql are in no emptyDir of the pod")
