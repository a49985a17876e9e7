"""AdmissionReviews that nobody would write: always an answer, never a failure, in bounded time."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.podshapes import pod
from support.webhookparts.server import Running

SECONDS = 5.0
"""What one review may take at the most: the API server waits no longer."""

KINDS = [
    ("", "Pod"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("iam.cloudsql.dev", "CloudSQLIAMUser"),
    ("", "Secret"),
]
WORDS = st.sampled_from(
    [
        *("metadata", "spec", "template", "jobTemplate", "annotations", "labels", "containers", "initContainers"),
        *("name", "env", "ports", "containerPort", "args", "command", "ownerReferences", "kind", "restartPolicy"),
        *("iam.cloudsql.dev/inject", "iam.cloudsql.dev/containers", "iam.cloudsql.dev/status", "helm.sh/hook"),
        *("iam.cloudsql.dev/wait", "iam.cloudsql.dev/port", "resources", "volumes", "nodeSelector", "os"),
    ]
)
TEXTS = st.one_of(
    WORDS, st.text(max_size=30), st.sampled_from(["true", "checkout", "pre-install", "5432", "\x00", "{"])
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=5)),
    max_leaves=25,
)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.begin_stop()
    running.join()


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """An ordinary pod, or what wraps one, of which some members are something else."""
    made: dict[str, Any] = pod(annotations=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)))
    if draw(st.booleans()):
        made = {"metadata": {"name": "web"}, "spec": {"template": made}}
    for _ in range(draw(st.integers(1, 4))):
        _spoil(draw, made)
    return made


def _spoil(draw: st.DrawFn, inside: Any) -> None:
    """Put something in the place of a member, anywhere."""
    while isinstance(inside, dict) and inside:
        name = draw(st.sampled_from(sorted(inside)))
        if draw(st.booleans()) or not isinstance(inside[name], dict):
            inside[name] = draw(VALUES)
            return
        inside = inside[name]


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(kind=st.sampled_from(KINDS), body=st.one_of(VALUES, spoilt()), operation=st.sampled_from(["CREATE", "UPDATE"]))
def test_whatever_the_object_is_there_is_an_answer_and_no_failure(
    server: Running, kind: tuple[str, str], body: Any, operation: str
) -> None:
    group, name = kind
    request = {"uid": "u", "kind": {"group": group, "kind": name}, "operation": operation, "object": body}
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    began = time.monotonic()

    status, answered = server.connect().ask("POST", "/inject", json.dumps(review).encode())

    assert time.monotonic() - began < SECONDS
    assert status in (200, 400)
    assert b"the injector failed" not in answered
    if status == 200:
        response = json.loads(answered)["response"]
        assert response["uid"] == "u"
        assert response["allowed"] or response["status"]["code"] in (403, 422)


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(
    body=st.one_of(
        VALUES.map(lambda value: json.dumps(value).encode()),
        st.binary(max_size=200),
        VALUES.map(
            lambda v: json.dumps(
                {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": v}
            ).encode()
        ),
    )
)
def test_whatever_the_body_is_there_is_an_answer_and_no_failure(server: Running, body: bytes) -> None:
    status, _ = server.connect().ask("POST", "/inject", body)

    assert status in (200, 400)


def test_a_pod_of_three_megabytes_is_answered_in_time(server: Running) -> None:
    containers = [
        {"name": f"c{n}", "image": "acme/shop:1", "env": [{"name": f"V{k}", "value": "x" * 250} for k in range(100)]}
        for n in range(100)
    ]
    body = pod(*containers)
    assert 2_800_000 < len(json.dumps(body)) < 3_200_000
    began = time.monotonic()

    response = server.connect().review(body)

    assert response["allowed"] is True
    assert time.monotonic() - began < SECONDS
