"""Admission: how many reviews a core answers, and how fast, beside a bare server in the same run.

Servers and load are processes of their own. What a machine gives a process at the moment is in the latencies; how much
of a core a review costs is measured by the server's own CPU time.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.admitting.load import Load, Sent
from benchmarks.figures import Figure, percentile
from cloudsql_iam_operator.core.injection.outcome import Injected
from support.podshapes import FACTS, container, pod
from support.podshapes import planned as checked

REVIEWS = 8_000
WARM_UP = 400
CLIENTS = (1, 8)
CHANGING = "@@@@@"
RATE, P99, FIRST, MEMORY = 3_000.0, 5.0, 20.0, 100.0
"""Reviews of one core in a second, milliseconds of a review and of the first one after a start, and MiB."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a server has used: CPU seconds, and MiB at the most."""

    cpu: float
    rss: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    process: "subprocess.Popen[str]"
    port: int
    name: str
    bundle: str

    def used(self) -> Used:
        """What it has used so far."""
        return Used(**json.loads(_said(self.process, "")))

    def answers(self, body: str, clients: int, count: int) -> Sent:
        """Send it so many reviews, from another process."""
        load = Load(self.port, self.name, self.bundle, body, clients, count)
        command = [sys.executable, "-m", "benchmarks.admitting.load"]
        done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return Sent(**json.loads(done.stdout))


def measure() -> Sequence[Figure]:
    """The webhook with replicas of one template and with pods that are all different, and a bare server."""
    outcome = checked(_pod("x"))
    assert isinstance(outcome, Injected)
    answer = {"allowed": True, "patchType": "JSONPatch", "patch": "x" * 2400}
    figures: list[Figure] = []
    with _serving("bare", answer) as bare:
        bare.answers(_review(_pod(CHANGING)), 8, WARM_UP)
        floor, found = _measured(bare, "bare uvicorn and orjson", _review(_pod(CHANGING)), 8)
        figures += found
    with _serving("webhook") as server:
        first = server.answers(_review(_pod("first")), 1, 1).each[0] * 1000
        figures.append(Figure("first review after a start", first, "ms", FIRST))
        for what, body in (("replicas", _pod("kube", token=CHANGING)), ("all different", _pod(CHANGING))):
            server.answers(_review(body), 8, WARM_UP)
            for clients in CLIENTS:
                rate, found = _measured(server, f"webhook, {what}", _review(body), clients)
                figures += found
            least = max(RATE, floor / 3) if what == "replicas" else None
            figures.append(Figure(f"webhook, {what}: share of the bare server", rate / floor, "", 1 / 3, at_least=True))
            figures.append(Figure(f"webhook, {what}: reviews per core", rate, "/s", least, at_least=True))
        figures.append(Figure("webhook: resident memory at the most", server.used().rss, "MiB", MEMORY))
    return figures


def _measured(server: Server, what: str, body: str, clients: int) -> tuple[float, list[Figure]]:
    before = server.used()
    sent = server.answers(body, clients, REVIEWS)
    after = server.used()
    rate = len(sent.each) / (after.cpu - before.cpu)
    times = [taken * 1000 for taken in sent.each]
    limit = None if what.startswith("bare") else P99
    who = f"{what}, {clients} client{'s' if clients > 1 else ''}"
    return rate, [
        Figure(f"{who}: per core", rate, "/s"),
        Figure(f"{who}: on this machine now", len(times) / sent.seconds, "/s"),
        Figure(f"{who}: p50", percentile(times, 50), "ms"),
        Figure(f"{who}: p99", percentile(times, 99), "ms", limit),
    ]


@contextmanager
def _serving(which: str, answer: dict[str, Any] | None = None) -> Iterator[Server]:
    command = [sys.executable, "-m", "benchmarks.admitting.serving", which]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=dict(os.environ)) as process:
        try:
            at = json.loads(_said(process, json.dumps(answer) if answer else None))
            yield Server(process, at["port"], at["name"], at["bundle"])
        finally:
            process.kill()


def _said(process: "subprocess.Popen[str]", line: str | None) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline()


def _pod(changing: str, token: str = "abcde") -> dict[str, Any]:
    """A pod of 7.5 kB as the API server hands it over; `changing` is in a variable, `token` in a volume's name."""
    mounts = [{"name": f"kube-api-access-{token}", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    mounts += [{"name": f"v{n}", "mountPath": f"/etc/app/{n}"} for n in range(4)]
    probe = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10, "failureThreshold": 3}
    env = [{"name": f"SETTING_{n}", "value": f"a-value-that-is-not-short-{n}"} for n in range(14)]
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}}
    containers = [
        container(name, env=env, volumeMounts=mounts, livenessProbe=probe, readinessProbe=probe, resources=resources)
        for name in ("web", "worker", "exporter")
    ]
    containers[0]["env"] = [*env, {"name": "BUILD", "value": changing}]
    volumes: list[dict[str, Any]] = [{"name": f"v{n}", "configMap": {"name": f"settings-{n}"}} for n in range(4)]
    volumes.append({"name": f"kube-api-access-{token}", "projected": {"defaultMode": 420, "sources": []}})
    made = pod(*containers, volumes=volumes, schedulerName="default-scheduler", dnsPolicy="ClusterFirst")
    fields = ("app", "team", "env", "volumeMounts", "ports", "resources", "probes")
    owned: dict[str, Any] = {f"f:{name}": {} for name in fields}
    made["metadata"] |= {
        "name": None,
        "generateName": "web-7f9c5d8b6-",
        "labels": {"app": "web", "pod-template-hash": "7f9c5d8b6", "team": "orders"},
        "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {f"k:{n}": owned for n in range(12)}}],
    }
    return made


def _review(body: dict[str, Any]) -> str:
    asked = {
        "uid": "0b7c9a3e-5a4e-4f5e-9d2a-3f6f1d2c4b5a",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": FACTS.namespace,
        "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
        "object": body,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})
