"""The webhook over real TLS: what it answers, and that it keeps answering while its certificate changes or it stops."""

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.patch import Add
from cloudsql_iam_operator.webhook.certificates.certificate import issued
from support.podshapes import FACTS, PG, applied, environment, pod
from support.webhookparts.server import NAME, PATIENCE, UNBOUND, Running


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running()
    yield running
    running.told.delay.set()
    running.begin_stop()
    running.join()


def operations(response: dict[str, Any]) -> list[Add]:
    assert response["patchType"] == "JSONPatch"
    return [Add(o["path"], o["value"]) for o in json.loads(base64.b64decode(response["patch"]))]


def test_an_annotated_pod_is_answered_with_a_patch(server: Running) -> None:
    response = server.connect().review(pod())

    assert response["allowed"] is True
    assert environment(applied(operations(response), pod())) == PG


def test_a_pod_without_annotations_is_allowed_without_a_patch(server: Running) -> None:
    body = pod()
    body["metadata"]["annotations"] = None

    response = server.connect().review(body)

    assert response["allowed"] is True
    assert response.keys() == {"uid", "allowed", "auditAnnotations"}


def test_the_namespace_is_that_of_the_request(server: Running) -> None:
    body = pod(annotations={"port": "0"})
    body["metadata"].pop("name")
    body["metadata"]["generateName"] = "web-7f9-"

    response = server.connect().review(body)

    assert response["status"]["code"] == 422
    assert response["status"]["message"].startswith("cannot inject a proxy into pod orders/web-7f9-*: ")


def test_the_same_pod_is_answered_with_the_same_bytes_by_everyone(server: Running) -> None:
    def ask(number: int) -> str:
        return str(server.connect().review(pod(), uid=f"u-{number}")["patch"])

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(ask, range(64)))

    assert len(answers) == 1


def test_a_dry_run_is_answered_alike(server: Running) -> None:
    connection = server.connect()

    assert connection.review(pod(), dryRun=True) == connection.review(pod())


def test_a_service_account_that_was_annotated_a_moment_ago_is_believed(server: Running) -> None:
    server.told.heard, server.told.stored = UNBOUND, FACTS

    assert server.connect().review(pod())["allowed"] is True


def test_a_denial_stands_when_a_second_look_says_the_same(server: Running) -> None:
    server.told.heard = server.told.stored = UNBOUND

    response = server.connect().review(pod())

    assert (response["allowed"], response["status"]["code"]) == (False, 403)
    assert "kubectl annotate serviceaccount checkout" in response["status"]["message"]


def test_an_api_server_that_is_slow_does_not_hold_the_answer_back(server: Running) -> None:
    server.told.heard, server.told.stored = UNBOUND, FACTS
    server.told.delay.clear()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.connect().review, pod())
        assert server.told.looking.wait(PATIENCE)
        server.advance(4.5)
        response = waiting.result(PATIENCE)

    assert response["status"]["message"].endswith("(as last heard; the API server did not answer in time)")


def test_nobody_is_said_not_to_exist_before_everything_was_listed(server: Running) -> None:
    server.told.heard, server.told.whole = replace(FACTS, users=(), service_account=None), False

    message = server.connect().review(pod())["status"]["message"]

    assert message == "the injector has just started and the API server did not answer in time: try again"


def test_a_failure_of_ours_denies_with_a_short_text_and_the_server_lives_on(server: Running) -> None:
    connection = server.connect()
    server.told.broken = True

    response = connection.review(pod(), uid="u-9")
    server.told.broken = False

    assert (response["allowed"], response["status"]["code"]) == (False, 500)
    assert response["status"]["message"] == "the injector failed on this pod; its log says why under u-9"
    assert connection.review(pod())["allowed"] is True


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"nonsense", 400),
        (b"[1]", 400),
        (b'{"kind":"AdmissionReview"}', 400),
        (b"[" * 100_000, 400),
        (b"x" * (4 * 1024 * 1024 + 1), 413),
    ],
)
def test_a_body_that_is_no_review_is_refused_and_the_server_lives_on(server: Running, body: bytes, status: int) -> None:
    assert server.connect().ask("POST", "/inject", body)[0] == status
    assert server.connect().review(pod())["allowed"] is True


def test_a_pod_that_is_no_pod_is_denied(server: Running) -> None:
    response = server.connect().review({"metadata": {}, "spec": {"containers": "x"}})

    assert (response["allowed"], response["status"]["code"]) == (False, 422)


def test_a_client_that_leaves_in_the_middle_does_no_harm(server: Running) -> None:
    connection = server.connect()
    connection.connect()
    connection.sock.sendall(b"POST /inject HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    connection.close()

    assert server.connect().review(pod())["allowed"] is True


@pytest.mark.parametrize(("method", "path"), [("GET", "/inject"), ("POST", "/healthz"), ("GET", "/metrics")])
def test_other_requests_find_nothing(server: Running, method: str, path: str) -> None:
    assert server.connect().ask(method, path)[0] == 404


def test_readiness_follows_what_is_known(server: Running) -> None:
    connection = server.connect()
    server.ready = False

    assert connection.ask("GET", "/healthz")[0] == 200
    assert connection.ask("GET", "/readyz")[0] == 503

    server.ready = True
    assert connection.ask("GET", "/readyz")[0] == 200


def test_no_call_fails_while_the_certificate_changes(server: Running) -> None:
    later = [issued((NAME,), datetime.now(UTC)) for _ in range(20)]
    bundle = b"".join(c.bundle for c in (server.certificates, *later))
    done = threading.Event()
    begun = threading.Barrier(5, timeout=PATIENCE)

    def load(_: int) -> int:
        """Reviews answered: over fresh connections, and over one that stands all the time."""
        standing, count = server.connect(bundle), 0
        begun.wait()
        while not (count and done.is_set()):
            assert standing.review(pod())["allowed"] is True
            assert server.connect(bundle).review(pod())["allowed"] is True
            count += 2
        return count

    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(load, number) for number in range(4)]
        begun.wait()
        for certificates in later:
            server.use(certificates)
            # Who trusts only the newest authority is served by it at once.
            assert server.connect().review(pod())["allowed"] is True
        done.set()
        counts = [each.result(PATIENCE) for each in loads]

    assert min(counts) > 0


def test_a_client_that_trusts_only_an_old_authority_is_turned_away(server: Running) -> None:
    old = server.certificates.bundle
    server.use(issued((NAME,), datetime.now(UTC)))

    with pytest.raises(ssl.SSLCertVerificationError):
        server.connect(old).review(pod())


def test_a_server_that_stops_answers_what_it_is_asked_and_sends_clients_elsewhere() -> None:
    server = Running(drain=PATIENCE)
    server.told.heard = server.told.stored = UNBOUND
    server.told.delay.clear()
    slow, standing = server.connect(), server.connect()
    assert standing.ask("GET", "/readyz")[0] == 200

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(slow.review, pod())
        assert server.told.looking.wait(PATIENCE)
        server.begin_stop()
        end = time.monotonic() + PATIENCE
        while standing.ask("GET", "/readyz")[0] == 200:
            assert time.monotonic() < end
        server.told.delay.set()
        answered = waiting.result(PATIENCE)
    standing.request("GET", "/healthz")
    goodbye = standing.getresponse()
    goodbye.read()
    slow.close()
    standing.close()

    assert (answered["allowed"], answered["status"]["code"]) == (False, 403)
    assert goodbye.getheader("connection") == "close"
    server.advance(PATIENCE)
    server.join()
