"""The metadata server in a cluster: who asks is a pod, whose ServiceAccount must be allowed to act as its account."""

import dataclasses
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_emulator.acme import CHECKOUT, CHECKOUT_EMAIL, PROJECT, acme
from cloudsql_emulator.config import Metadata
from cloudsql_emulator.emulator import Emulator

ACCOUNT = f"projects/{PROJECT}/serviceAccounts/{CHECKOUT_EMAIL}"
WORKLOAD = f"serviceAccount:{PROJECT}.svc.id.goog[shop/checkout]"


class Cluster:
    """An API server that knows one pod, at 127.0.0.1, and its ServiceAccount."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {"iam.gke.io/gcp-service-account": CHECKOUT_EMAIL}
        self.phase = "Running"
        cluster = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = json.dumps(cluster.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> Any:
        if path == "/api/v1/namespaces/shop/serviceaccounts/checkout":
            return {"metadata": {"name": "checkout", "annotations": self.annotations}}
        assert path == "/api/v1/pods?fieldSelector=status.podIP%3D127.0.0.1"
        pod = {
            "metadata": {"name": "checkout-1", "namespace": "shop"},
            "spec": {"serviceAccountName": "checkout"},
            "status": {"phase": self.phase, "podIP": "127.0.0.1"},
        }
        return {"items": [pod]}

    def kubeconfig(self) -> str:
        return yaml.safe_dump(
            {
                "current-context": "c",
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{self.server.server_port}"}}],
                "users": [{"name": "u", "user": {"token": "t"}}],
            }
        )


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    cluster = Cluster()
    yield cluster
    cluster.server.shutdown()
    cluster.server.server_close()


@pytest.fixture
def emulator(cluster: Cluster, tmp_path: Path) -> Iterator[Emulator]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(cluster.kubeconfig())
    metadata = Metadata(project=PROJECT, kubeconfig=str(kubeconfig))
    with Emulator(dataclasses.replace(acme(with_instance=False), metadata=metadata)) as emulator:
        yield emulator


def asked(emulator: Emulator, what: str) -> tuple[int, str]:
    url = f"http://{emulator.metadata_host}/computeMetadata/v1/instance/service-accounts/default/{what}"
    request = urllib.request.Request(url, headers={"Metadata-Flavor": "Google"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_bound_pod_is_its_google_account(emulator: Emulator) -> None:
    assert asked(emulator, "email") == (200, CHECKOUT_EMAIL)
    assert asked(emulator, "token")[0] == 200
    assert emulator.admin.tokens_issued() == {CHECKOUT: 1}


def test_a_pod_without_the_binding_gets_no_token(emulator: Emulator) -> None:
    emulator.admin.remove_member(ACCOUNT, WORKLOAD)

    status, text = asked(emulator, "token")

    assert status == 403
    assert text.startswith(
        "Unable to generate access token; IAM returned 403 Forbidden: Permission 'iam.serviceAccounts.getAccessToken' "
        "denied on resource (or it may not exist).\nThis error could be caused by a missing IAM policy binding"
    )


def test_a_pod_without_the_annotation_is_its_workload(emulator: Emulator, cluster: Cluster) -> None:
    cluster.annotations = {}

    assert asked(emulator, "email") == (200, "acme-prod.svc.id.goog")
    assert asked(emulator, "token")[0] == 200
    assert emulator.admin.tokens_issued() == {WORKLOAD: 1}


def test_the_address_of_a_pod_that_ended_is_nobodys(emulator: Emulator, cluster: Cluster) -> None:
    cluster.phase = "Succeeded"

    assert asked(emulator, "token")[0] == 404
