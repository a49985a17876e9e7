"""`python -m clients.fetching`: the clients of each language, once into the user cache, by their lock files.

Python's is in the project's own environment. A language that is not on this machine is told and left out; Go is taken
from the locked wheel then. Runs on the standard library alone, outside of the sandbox, which reaches no registry.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from controlplane.binaries import cache
from controlplane.golang import CannotBuild, chosen

HERE = Path(__file__).parent
NEEDED_GO = "1.26.0"
_NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

Environment = Mapping[str, str]


class CannotFetch(RuntimeError):
    """A client is not to be had although its language is here; the text says which, and what was said."""


@dataclass(frozen=True, slots=True)
class Client:
    """One language's client: its lock and source files, the programs it takes, and how it is put into a folder."""

    language: str
    files: tuple[str, ...]
    programs: tuple[str, ...]
    install: Callable[[Path], None]

    @property
    def source(self) -> Path:
        """Its folder in this repository."""
        return HERE / self.language

    def missing(self) -> tuple[str, ...]:
        """Programs that it takes and this machine has not."""
        return tuple(name for name in self.programs if shutil.which(name) is None)

    def home(self, environment: Environment) -> Path:
        """Where the cache holds what exactly the present files make, whether it is there or not."""
        digest = hashlib.sha256(b"\0".join((self.source / name).read_bytes() for name in self.files))
        return cache(environment) / "clients" / f"{self.language}-{digest.hexdigest()[:16]}"


def ensure(client: Client, environment: Environment) -> Path | None:
    """A client's folder, filled now when it was not; None when its language is not on this machine.

    Raises:
        CannotFetch: with what the installing program said.
    """
    home = client.home(environment)
    if home.exists() or client.missing():
        return None if client.missing() else home
    home.parent.mkdir(parents=True, exist_ok=True)
    # elsewhere first, so that a run that is ended half-way leaves nothing that looks whole
    partial = Path(tempfile.mkdtemp(prefix=f"{home.name}.partial-", dir=home.parent))
    partial.chmod(0o755)
    try:
        for name in client.files:
            shutil.copy(client.source / name, partial)
        client.install(partial)
        if not home.exists():
            partial.rename(home)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


def _go(folder: Path) -> None:
    try:
        go = chosen(NEEDED_GO, cache(os.environ), os.environ)
        go.install(print)
    except CannotBuild as error:
        raise CannotFetch(str(error)) from error
    more = {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    _run([str(go.program), "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", "login", "."], folder, more)


def _node(folder: Path) -> None:
    _run([*_NPM, "--prefix", str(folder)], folder)


def _java(folder: Path) -> None:
    _run(["mvn", "--batch-mode", "--quiet", "--strict-checksums", _COPY, "-DoutputDirectory=libraries"], folder)
    _run(["javac", "-d", ".", "Login.java"], folder)


def _run(command: list[str], folder: Path, more: Environment | None = None) -> None:
    environment = {**os.environ, **(more or {})}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotFetch(
            f"{' '.join(command[:3])} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )


GO = Client("go", ("go.mod", "go.sum", "main.go"), (), _go)
NODE = Client("node", ("package.json", "package-lock.json", "login.mjs"), ("node", "npm"), _node)
JAVA = Client("java", ("pom.xml", "Login.java"), ("java", "javac", "keytool", "mvn"), _java)
CLIENTS = (GO, NODE, JAVA)


def main() -> int:
    """Fetch all; 1 when one is not to be had."""
    for client in CLIENTS:
        try:
            home = ensure(client, os.environ)
        except CannotFetch as error:
            print(f"clients: {client.language}: {error}", file=sys.stderr)
            return 1
        missing = ", ".join(client.missing())
        print(f"clients: {client.language}: {home or f'left out, as this machine has no {missing}'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
