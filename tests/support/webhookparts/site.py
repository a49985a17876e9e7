"""Replicas of the webhook behind a real API server, with what the chart installs for them but its Deployment."""

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from controlplane import binaries
from controlplane.addresses import GATEWAY
from controlplane.kubelet.api import Api
from controlplane.plane import URL, ControlPlane

JSON = dict[str, Any]

ROOT = Path(__file__).parents[3]
CHART = ROOT / "charts/cloudsql-iam-operator"
WEBHOOK = "csql-webhook"
PORT, METRICS = 10250, 9402


@dataclass(slots=True)
class Replica:
    """One process of the webhook, as the chart's container starts it but for its ports."""

    number: int
    log: Path
    process: "subprocess.Popen[bytes]"

    @property
    def port(self) -> int:
        return PORT + self.number

    def get(self, path: str) -> int:
        """Status of a probe; 0 while nobody listens."""
        try:
            with urllib.request.urlopen(
                f"https://{GATEWAY}:{self.port}{path}", timeout=60, context=ssl._create_unverified_context()
            ) as answered:
                return int(answered.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def requests(self) -> float:
        """Admission requests answered so far."""
        with urllib.request.urlopen(f"http://{GATEWAY}:{METRICS + self.number}/metrics", timeout=60) as answered:
            lines = answered.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("cloudsql_iam_webhook_requests_total{"))

    def leaf(self) -> bytes:
        """The certificate that it serves with, as DER."""
        context = ssl._create_unverified_context()
        with socket.create_connection((GATEWAY, self.port), 60) as plain, context.wrap_socket(plain) as secure:
            return secure.getpeercert(binary_form=True) or b""

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@dataclass(slots=True)
class Site:
    """The API server, and the replicas that it calls through their Service."""

    directory: Path
    programs: binaries.Binaries
    plane: ControlPlane
    api: Api
    """For looks that are many: each kubectl costs a tenth of a second."""
    replicas: list[Replica] = field(default_factory=list)

    def kubectl(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [str(self.programs.kubectl), "--kubeconfig", str(self.plane.admin), *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)

    def apply(self, *objects: JSON) -> None:
        done = self.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(objects))
        assert done.returncode == 0, done.stderr

    def secret(self) -> JSON | None:
        """The data of the Secret that the replicas share; None when there is none."""
        found = self.api.find(f"/api/v1/namespaces/csql/secrets/{WEBHOOK}-tls")
        return None if found is None else dict(found.get("data") or {})

    def create(self, pod: JSON, *options: str) -> JSON:
        done = self.kubectl("create", "-o", "json", *options, "-f", "-", stdin=json.dumps(pod))
        assert done.returncode == 0, done.stderr
        body: JSON = json.loads(done.stdout)
        return body

    def refusal(self, pod: JSON) -> str:
        done = self.kubectl("create", "-f", "-", stdin=json.dumps(pod))
        assert done.returncode == 1, done.stdout
        return done.stderr

    def trust(self) -> set[bytes]:
        """What the API server trusts when it calls any of the webhooks, as PEM."""
        kinds = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")
        found = [self.api.get(f"/apis/admissionregistration.k8s.io/v1/{kind}/{WEBHOOK}") for kind in kinds]
        bundles = (w["clientConfig"].get("caBundle", "") for each in found for w in each["webhooks"])
        return {base64.b64decode(bundle) for bundle in bundles}

    def ready(self, user: JSON, **status: Any) -> None:
        """Say of a CloudSQLIAMUser what the operator says once logging in works."""
        name, namespace = user["metadata"]["name"], user["metadata"]["namespace"]
        held: JSON = {"status": "True", "reason": "Succeeded", "message": "as declared"}
        held |= {"observedGeneration": 1, "lastTransitionTime": "2026-01-01T00:00:00Z"}
        layers = [{"type": layer, **held} for layer in ("Ready", "IAMBound", "UserReady")]
        patch = json.dumps({"status": {"conditions": layers} | status})
        where = ("csqlu", name, "--namespace", namespace, "--subresource=status")
        done = self.kubectl("patch", *where, "--type=merge", f"--patch={patch}")
        assert done.returncode == 0, done.stderr

    def requests(self) -> float:
        return sum(replica.requests() for replica in self.replicas)

    def start(self, number: int, **settings: str) -> Replica:
        log = self.directory / f"webhook-{number}.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": str(self.directory / "webhook.kubeconfig"),
            "POD_NAMESPACE": "csql",
            "WEBHOOK_SERVICE": WEBHOOK,
            "WEBHOOK_SECRET": f"{WEBHOOK}-tls",
            "WEBHOOK_CONFIGURATION": WEBHOOK,
            "WEBHOOK_PORT": str(PORT + number),
            "METRICS_PORT": str(METRICS + number),
            "WEBHOOK_DRAIN_SECONDS": "1",
            **settings,
        }
        command = [sys.executable, "-m", "cloudsql_iam_operator", "webhook"]
        with log.open("wb") as out:
            process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        return Replica(number, log, process)


def install(site: Site, *sets: str) -> None:
    """What the chart installs for the webhook, but its Deployment and the CRDs; the Service leads to this machine."""
    site.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "csql"}})
    rendered = subprocess.run(
        [
            str(site.programs.helm),
            "template",
            "csql",
            str(CHART),
            "--namespace",
            "csql",
            *(f"--set={one}" for one in sets),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    wanted = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    wanted |= {"MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Service", "Secret"}
    names = {WEBHOOK, f"{WEBHOOK}-tls"}
    chart = [o for o in yaml.safe_load_all(rendered.stdout) if o and o["metadata"]["name"] in names]
    service = next(o for o in chart if o["kind"] == "Service")
    service["spec"] = {"ports": [{"name": "https", "port": 443, "targetPort": PORT}]}
    site.apply(*(o for o in chart if o["kind"] in wanted), *(slice_for(number) for number in (0, 1)))


def slice_for(number: int) -> JSON:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{WEBHOOK}-{number}",
            "namespace": "csql",
            "labels": {"kubernetes.io/service-name": WEBHOOK},
        },
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": PORT + number, "protocol": "TCP"}],
        "endpoints": [{"addresses": [GATEWAY], "conditions": {"ready": True}}],
    }


def log_in(site: Site) -> None:
    """A kubeconfig with the token of the webhook's own ServiceAccount, so that its roles are what is tested."""
    token = site.kubectl("--namespace", "csql", "create", "token", WEBHOOK)
    assert token.returncode == 0, token.stderr
    cluster = {"server": URL, "certificate-authority": str(site.plane.ca)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": token.stdout.strip()}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    (site.directory / "webhook.kubeconfig").write_text(json.dumps(config))
