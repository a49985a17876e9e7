"""etcd, kube-apiserver and kube-controller-manager as local processes, with RBAC, an audit log and kubeconfigs.

Their addresses are those of the sandbox, laid out by `network.prepare()`; pods are run by the kubelet, elsewhere.
"""

import base64
import json
import ssl
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.addresses import API_SERVER, GATEWAY, SERVICE_NETWORK
from controlplane.binaries import Binaries
from controlplane.pki import Authority, KeyPair, Subject, signing_pair
from controlplane.processes import Process

ETCD = "http://127.0.0.1:2379"
URL = f"https://{API_SERVER}"
ISSUER = "https://kubernetes.default.svc.cluster.local"
HOSTS = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")

GARBAGE = "300"
"""How far a heap grows, in percent, before it is cleaned: with Go's 100 that was a third of the API server's time."""

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True, slots=True)
class Account:
    """Who a kubeconfig logs in as: a user name and groups, by client certificate."""

    user: str
    groups: tuple[str, ...] = ()


ADMIN = Account("admin", ("system:masters",))


class ControlPlane:
    """One control plane of a sandbox, with its files in one directory."""

    def __init__(self, directory: Path, binaries: Binaries) -> None:
        self.directory = directory
        self.authority = Authority("kubernetes-ca")
        self._callers = Authority("webhook-callers-ca")
        self._binaries = binaries
        self._processes: list[Process] = []

    @property
    def admin(self) -> Path:
        """The administrator's kubeconfig."""
        return self.directory / "admin.kubeconfig"

    @property
    def ca(self) -> Path:
        """The certificate that the API server's is signed by."""
        return self.directory / "ca.crt"

    @property
    def callers_ca(self) -> Path:
        """The authority of nothing but the certificate that the API server shows to webhooks."""
        return self.directory / "callers-ca.crt"

    def start(self, before_controllers: Callable[[], None] | None = None) -> None:
        """Start everything; `before_controllers` runs once the API server answers.

        The garbage collector learns new kinds only every 30 s: install definitions there. When anything fails, what had
        started is stopped.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_keys()
        self.kubeconfig(ADMIN, self.admin)
        try:
            self._start_etcd()
            self._start_api_server()
            if before_controllers is not None:
                before_controllers()
            self._start_controllers()
        except BaseException:  # Ctrl-C too: the caller has nothing to stop yet
            self.stop()
            raise

    def await_controllers(self) -> None:
        """Return once the controllers work: `default` has its ServiceAccount, without which no pod is taken."""
        self._processes[-1].until(self._has_default_account, "the first ServiceAccount is there")

    def stop(self) -> None:
        """Stop everything, last started first."""
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()

    def rss(self) -> Mapping[str, int]:
        """Resident bytes of each process."""
        return {process.name: process.rss() for process in self._processes}

    def kubeconfig(self, account: Account, path: Path, url: str = URL) -> Path:
        """Write a kubeconfig for an account; `url` is where the API server is reached."""
        user = _client(self.authority.client(Subject(account.user, account.groups)))
        cluster = {"server": url, "certificate-authority-data": _b64(self.authority.pair.certificate)}
        if url != URL:
            cluster["tls-server-name"] = "kubernetes"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "chain", "cluster": cluster}],
            "users": [{"name": account.user, "user": user}],
            "contexts": [{"name": "chain", "context": {"cluster": "chain", "user": account.user}}],
            "current-context": "chain",
        }
        path.write_text(json.dumps(config))
        path.chmod(0o600)
        return path

    def audit_events(self) -> Iterator[Mapping[str, Any]]:
        """Every write that the API server answered, oldest first; Leases, which are heartbeats, are left out.

        Source: the API server writes an event before it sends the answer (--audit-log-mode=blocking).
        """
        log = self.directory / "audit.log"
        for line in log.read_text().splitlines(keepends=True) if log.exists() else ():
            if line.endswith("\n"):
                yield json.loads(line)

    def _has_default_account(self) -> bool:
        context = ssl.create_default_context(cafile=self.ca)
        context.load_cert_chain(self.directory / "kubelet-client.crt", self.directory / "kubelet-client.key")
        return _answers(f"{URL}/api/v1/namespaces/default/serviceaccounts/default", context)

    def _write_keys(self) -> None:
        serving = Subject("kube-apiserver", hosts=(*HOSTS, "localhost"), addresses=(API_SERVER, GATEWAY, "127.0.0.1"))
        pairs = {
            "ca": self.authority.pair,
            "api": self.authority.server(serving),
            "kubelet-client": self.authority.client(Subject("kube-apiserver-kubelet-client", ("system:masters",))),
            "sa": signing_pair(),
            "callers-ca": self._callers.pair,
        }
        for name, pair in pairs.items():
            self._write_pair(name, pair)
        (self.directory / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
        self._write_admission()
        self.kubeconfig(Account("system:kube-controller-manager"), self.directory / "controllers.kubeconfig")

    def _write_admission(self) -> None:
        """Have the API server show a client certificate to every webhook."""
        shown = _client(self._callers.client(Subject("kube-apiserver-webhook-client")))
        config = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "*", "user": shown}]}
        callers = self.directory / "webhook-callers.kubeconfig"
        callers.touch(mode=0o600)
        callers.write_text(json.dumps(config))
        by_kubeconfig = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "WebhookAdmissionConfiguration",
            "kubeConfigFile": str(callers),
        }
        plugins = ("MutatingAdmissionWebhook", "ValidatingAdmissionWebhook")
        admission = {
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AdmissionConfiguration",
            "plugins": [{"name": name, "configuration": by_kubeconfig} for name in plugins],
        }
        (self.directory / "admission.json").write_text(json.dumps(admission))

    def _write_pair(self, name: str, pair: KeyPair) -> None:
        (self.directory / f"{name}.crt").write_bytes(pair.certificate)
        key = self.directory / f"{name}.key"
        key.write_bytes(pair.key)
        key.chmod(0o600)

    def _run(self, name: str, command: list[str | Path]) -> Process:
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/", "GOGC": GARBAGE}
        process = Process(name, command, self.directory / f"{name}.log", environment)
        self._processes.append(process)
        return process

    def _start_etcd(self) -> None:
        flags = [f"--data-dir={self.directory / 'etcd'}", f"--listen-client-urls={ETCD}"]
        flags += [f"--advertise-client-urls={ETCD}", "--listen-peer-urls=http://127.0.0.1:0", "--unsafe-no-fsync"]
        process = self._run("etcd", [self._binaries.etcd, *flags])
        process.until(lambda: _answers(f"{ETCD}/health"), "it answers")

    def _start_api_server(self) -> None:
        d = self.directory
        flags = {
            "etcd-servers": ETCD,
            "bind-address": API_SERVER,
            "secure-port": "443",
            "advertise-address": GATEWAY,
            "enable-aggregator-routing": "true",  # webhooks are dialled at their pods' addresses: no kube-proxy is here
            "tls-cert-file": d / "api.crt",
            "tls-private-key-file": d / "api.key",
            "client-ca-file": d / "ca.crt",
            "authorization-mode": "Node,RBAC",
            "service-cluster-ip-range": SERVICE_NETWORK,
            "service-account-issuer": ISSUER,
            "service-account-key-file": d / "sa.crt",
            "service-account-signing-key-file": d / "sa.key",
            "kubelet-client-certificate": d / "kubelet-client.crt",
            "kubelet-client-key": d / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "admission-control-config-file": d / "admission.json",
            "audit-policy-file": d / "audit-policy.json",
            "audit-log-path": d / "audit.log",
            "allow-privileged": "true",
            "profiling": "false",
        }
        process = self._run("kube-apiserver", [self._binaries.kube_apiserver, *_flags(flags)])
        context = ssl.create_default_context(cafile=self.ca)
        process.until(lambda: _answers(f"{URL}/readyz", context), "it is ready")

    def _start_controllers(self) -> None:
        config = self.directory / "controllers.kubeconfig"
        flags = {
            "kubeconfig": config,
            "authentication-kubeconfig": config,
            "authorization-kubeconfig": config,
            "bind-address": "127.0.0.1",
            "secure-port": "0",
            "leader-elect": "false",
            "use-service-account-credentials": "true",
            "service-account-private-key-file": self.directory / "sa.key",
            "root-ca-file": self.ca,
            "cluster-signing-cert-file": self.ca,
            "cluster-signing-key-file": self.directory / "ca.key",
            "kube-api-qps": "300",  # with Kubernetes' 20, two hundred Deployments take a minute
            "kube-api-burst": "600",
        }
        self._run("kube-controller-manager", [self._binaries.kube_controller_manager, *_flags(flags)])


def _flags(flags: Mapping[str, object]) -> list[str | Path]:
    return [f"--{name}={value}" for name, value in flags.items()]


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _client(pair: KeyPair) -> Mapping[str, str]:
    """A user of a kubeconfig who logs in with this certificate."""
    return {"client-certificate-data": _b64(pair.certificate), "client-key-data": _b64(pair.key)}


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
