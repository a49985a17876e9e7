"""Probes and hooks: one try of a handler, and the counting of tries (pure). Who runs them is in `lives`."""

import contextlib
import http.client
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from controlplane.kubelet.podspec import Container, Handler, Probe


@dataclass(frozen=True, slots=True)
class Target:
    """Where a handler is tried: the pod's address, the container (for named ports), and a process inside it."""

    ip: str
    container: Container
    pid: int


@dataclass(frozen=True, slots=True)
class Try:
    """What one try gave; `text` says what went wrong."""

    passed: bool
    text: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """Tries in a row. `verdict` is None until one of the thresholds was reached, and turns only at the other."""

    passes: int = 0
    failures: int = 0
    verdict: bool | None = None

    def after(self, passed: bool, probe: Probe) -> "Count":
        """The count with one more try."""
        passes, failures = (self.passes + 1, 0) if passed else (0, self.failures + 1)
        count = replace(self, passes=passes, failures=failures)
        if passes >= probe.successes:
            return replace(count, verdict=True)
        if failures >= probe.failures:
            return replace(count, verdict=False)
        return count


def attempt(handler: Handler, target: Target, timeout: float) -> Try:
    """One try, over in `timeout` seconds."""
    tries: dict[str, Callable[[Handler, Target, float], Try]] = {
        "exec": _exec,
        "httpGet": _http,
        "tcpSocket": _tcp,
        "sleep": _sleep,
    }
    return tries[handler.kind](handler, target, timeout)


def inside(pid: int, command: Sequence[str]) -> list[str]:
    """The command line that runs a command in the network and the root of a container's process."""
    owner = os.stat(f"/proc/{pid}")  # noqa: PTH116 - as its neighbours here
    who = [] if owner.st_uid == os.geteuid() else [f"--setuid={owner.st_uid}", f"--setgid={owner.st_gid}"]
    return ["nsenter", f"--target={pid}", "--net", "--mount", "--uts", "--root", "--wd", *who, "--", *command]


def _exec(handler: Handler, target: Target, timeout: float) -> Try:
    with contextlib.suppress(OSError):
        environment = _environment(target.pid)
        try:
            done = subprocess.run(
                inside(target.pid, handler.told.get("command", ())),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Try(False, f"command timed out after {timeout:g}s")
        output = done.stdout.decode(errors="replace").strip()[-500:]
        return Try(done.returncode == 0, f"exit status {done.returncode}: {output}")
    return Try(False, "the container's process has ended")


def _environment(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - read as bytes, once
        pairs = (part.decode(errors="replace").partition("=") for part in file.read().split(b"\0") if part)
        return {name: value for name, _, value in pairs}


def _http(handler: Handler, target: Target, timeout: float) -> Try:
    told = handler.told
    host, port = told.get("host") or target.ip, _port(told["port"], target.container)
    headers = {"User-Agent": "kube-probe/1.36"} | {one["name"]: one["value"] for one in told.get("httpHeaders", ())}
    if told.get("scheme") == "HTTPS":
        # a probe does not verify: Kubernetes API, HTTPGetAction.scheme
        context = ssl._create_unverified_context()
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=timeout, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    with contextlib.closing(connection):
        try:
            connection.request("GET", told.get("path") or "/", headers=headers)
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return Try(False, f"{told.get('path') or '/'} on port {port}: {error}")
    return Try(200 <= status < 400, f"HTTP probe failed with statuscode: {status}")


def _tcp(handler: Handler, target: Target, timeout: float) -> Try:
    address = (handler.told.get("host") or target.ip, _port(handler.told["port"], target.container))
    try:
        with socket.create_connection(address, timeout):
            return Try(True)
    except OSError as error:
        return Try(False, f"port {address[1]}: {error}")


def _sleep(handler: Handler, target: Target, timeout: float) -> Try:
    end = time.monotonic() + min(float(handler.told["seconds"]), timeout)
    # no longer than there is a container to sleep for
    while time.monotonic() < end and os.path.exists(f"/proc/{target.pid}"):  # noqa: PTH110 - as its neighbours here
        time.sleep(0.1)
    return Try(True)


def _port(told: int | str, container: Container) -> int:
    for one in container.told.get("ports", ()):
        if one.get("name") == told:
            return int(one["containerPort"])
    return int(told)
