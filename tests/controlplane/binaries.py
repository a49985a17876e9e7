"""The test binaries: named by the environment, found in the user cache, or built from the modules under tools/.

Runs on the standard library alone.
"""

import contextlib
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from controlplane.golang import ROOT, CannotBuild, Environment, Go, Say, chosen, numbers

__all__ = ["TOOLS", "Binaries", "CannotBuild", "Tool", "cache", "ensure"]

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
_BUILD = ("-mod=readonly", "-trimpath", "-buildvcs=false")
_BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}


@dataclass(frozen=True, slots=True)
class Tool:
    """One program: its module's folder under tools/, its package, extra linker flags.

    `seconds` is what a build took with an empty Go cache on two cores, those listed before it built already.
    """

    name: str
    module: str
    package: str
    flags: str
    seconds: int

    @property
    def variable(self) -> str:
        """The environment variable that names it: KUBE_APISERVER and so on."""
        return self.field.upper()

    @property
    def field(self) -> str:
        """Its field of Binaries."""
        return self.name.replace("-", "_")

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return ROOT / "tools" / self.module

    def linker_flags(self) -> str:
        """What the linker is told."""
        return f"-s -w {self.flags}".strip()


TOOLS = (
    Tool("etcd", "etcd", "go.etcd.io/etcd/server/v3", "", 22),
    Tool("cloud-sql-proxy", "cloud-sql-proxy", "github.com/GoogleCloudPlatform/cloud-sql-proxy/v2", "", 32),
    Tool("cloudsql-connector", "cloudsql-connector", ".", "", 40),
    Tool("kubelet-streams", "kubelet-streams", ".", "", 15),
    Tool("helm", "helm", "helm.sh/helm/v4/cmd/helm", "-X helm.sh/helm/v4/internal/version.version=v4.3.1", 107),
    Tool("kube-apiserver", "kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver", _KUBERNETES_FLAGS, 200),
    Tool(
        "kube-controller-manager", "kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager", _KUBERNETES_FLAGS, 60
    ),
    Tool("kubectl", "kubernetes", "k8s.io/kubernetes/cmd/kubectl", _KUBERNETES_FLAGS, 40),
)
_IN_ASSETS = {"etcd", "kube-apiserver", "kubectl"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where each program is."""

    etcd: Path
    cloud_sql_proxy: Path
    cloudsql_connector: Path
    kubelet_streams: Path
    helm: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path


def ensure(say: Say = print, environment: Environment | None = None) -> Binaries:
    """All programs; what is nowhere is built now. Says a line when a build starts, goes on and ends, else nothing.

    Raises:
        CannotBuild: Go failed or is not to be had, or the environment names a program that does not exist.
    """
    environment = os.environ if environment is None else environment
    paths = {tool.name: told(tool, environment) for tool in TOOLS}
    wanted = [tool for tool in TOOLS if paths[tool.name] is None]
    if wanted:
        go = chosen(_needed(wanted), cache(environment), environment)
        paths |= {tool.name: cached(tool, go, environment) for tool in wanted}
        if _missing(wanted, paths):
            with _locked(cache(environment), say):  # another run may have built them while we waited
                _build_all(_missing(wanted, paths), go, say)
    return Binaries(**{tool.field: path for tool in TOOLS if (path := paths[tool.name])})


def told(tool: Tool, environment: Environment) -> Path | None:
    """The program that the environment names: by its own variable, or in KUBEBUILDER_ASSETS; None when it does not.

    Raises:
        CannotBuild: the variable names a file that cannot be run.
    """
    named = environment.get(tool.variable)
    if named:
        if not os.access(named, os.X_OK):
            raise CannotBuild(f"{tool.variable}={named} is no program: correct it, or unset it to have one built")
        return Path(named)
    assets = environment.get("KUBEBUILDER_ASSETS")
    if assets and tool.name in _IN_ASSETS and os.access(Path(assets) / tool.name, os.X_OK):
        return Path(assets) / tool.name
    return None


def cached(tool: Tool, go: Go, environment: Environment) -> Path:
    """Where the cache holds a program that was built from exactly these inputs, whether it is there or not."""
    digest = hashlib.sha256()
    for file in (tool.folder / "go.mod", tool.folder / "go.sum", *sorted(tool.folder.glob("*.go"))):
        digest.update(file.read_bytes())
    digest.update("\n".join((go.version, tool.package, tool.linker_flags(), *_BUILD)).encode())
    return cache(environment) / "bin" / f"{tool.name}-{digest.hexdigest()[:16]}" / tool.name


def cache(environment: Environment) -> Path:
    """This project's folder in the user cache."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(home) / "cloudsql-iam-operator"


def _missing(tools: Iterable[Tool], paths: dict[str, Path | None]) -> dict[Tool, Path]:
    return {tool: path for tool in tools if (path := paths[tool.name]) and not path.exists()}


@contextlib.contextmanager
def _locked(folder: Path, say: Say) -> Iterator[None]:
    """Two runs at once build one after the other; the second finds what the first has built."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("binaries: another run is building them; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_all(missing: dict[Tool, Path], go: Go, say: Say) -> None:
    if not missing:
        return
    left = sum(tool.seconds for tool in missing)
    say(f"binaries: building {', '.join(tool.name for tool in missing)} once; about {duration(left)} on two cores")
    go.install(say)
    for tool, path in missing.items():
        began = time.monotonic()
        _build(tool, path, go, _Progress(say, tool, left))
        left -= tool.seconds
        rest = f"; about {duration(left)} left" if left else ""
        say(f"binaries: {tool.name} is built after {duration(time.monotonic() - began)}{rest}")


@dataclass(frozen=True, slots=True)
class _Progress:
    """Says, seconds into a build, how much of everything is left."""

    say: Say
    tool: Tool
    left: float

    def __call__(self, spent: float) -> None:
        slow = spent > self.tool.seconds
        rest = "longer than on two free cores" if slow else f"about {duration(self.left - spent)} left"
        self.say(f"binaries: {self.tool.name} since {duration(spent)}; {rest}")


def _build(tool: Tool, path: Path, go: Go, report: Callable[[float], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    command = [str(go.program), "build", *_BUILD, f"-ldflags={tool.linker_flags()}", "-o", str(partial), tool.package]
    with subprocess.Popen(
        command,
        cwd=tool.folder,
        env={**os.environ, **_BUILD_ENVIRONMENT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = _output(process, report)
    if process.returncode:
        raise CannotBuild(
            f"{tool.name} could not be built by Go {go.version} in tools/{tool.module}; {tool.variable}=/path/to/it"
            f" takes one that is there:\n{output[-2000:]}"
        )
    partial.rename(path)


def _output(process: "subprocess.Popen[str]", report: Callable[[float], None]) -> str:
    """All that it printed, once it has ended; reports the seconds spent now and then."""
    began = time.monotonic()
    try:
        while True:
            try:
                return process.communicate(timeout=REPORT_SECONDS)[0]
            except subprocess.TimeoutExpired:
                report(time.monotonic() - began)
    except BaseException:
        process.terminate()  # Ctrl-C, mostly: Go removes what it had begun
        raise


def _needed(tools: Iterable[Tool]) -> str:
    """The newest Go that one of the modules asks for."""
    lines = [line for tool in tools for line in (tool.folder / "go.mod").read_text().splitlines()]
    return max((line.split()[1] for line in lines if line.startswith("go ")), key=numbers)


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 8 min."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{max(seconds, 1):.0f} s"


def main() -> int:
    """Build or find everything; `--print` says where it is, in lines that a shell can read."""
    try:
        binaries = ensure(lambda line: print(line, flush=True))
    except CannotBuild as error:
        print(f"binaries: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if "--print" in sys.argv[1:]:
        for tool in TOOLS:
            print(f"{tool.variable}={getattr(binaries, tool.field)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
