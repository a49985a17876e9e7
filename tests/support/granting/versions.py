"""The tests about SQL, on each PostgreSQL in turn: `python -m support.granting.versions [VERSION…] [-- ARGUMENT…]`.

All versions are run even when one fails, and each on both grounds. A server of another version than the one under test
fails what uses it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from controlplane.binaries import duration
from controlplane.golang import ROOT
from support.granting.servers import BINARIES, EXPECTED, VERSIONS, CannotFetch, ensure
from support.granting.setting import EVERY_GROUND

PATTERNS = ("grants/test_*.py", "users/test_*.py", "emulator/test_postgres*.py")
"""Files of tests/integration that are about SQL."""


def asked(arguments: Sequence[str]) -> tuple[int, ...]:
    """The versions that the command line names, or all of them.

    Raises:
        ValueError: one of them is not supported.
    """
    unknown = [text for text in arguments if text not in map(str, VERSIONS)]
    if unknown:
        raise ValueError(f"no version {', '.join(unknown)} here; there are {', '.join(map(str, VERSIONS))}")
    return tuple(int(text) for text in arguments) or VERSIONS


def main(arguments: Sequence[str]) -> int:
    """Run everything; 0 when no version failed."""
    own, handed_on = _parted(arguments)
    try:
        servers = ensure(asked(own), _say)
    except (CannotFetch, ValueError) as error:
        print(f"postgres: {error}", file=sys.stderr)
        return 1
    failed = [version for version, binaries in servers.items() if not _passes(version, binaries, handed_on)]
    passed = [version for version in servers if version not in failed]
    _say(f"postgres: passed on {_listed(passed)}; failed on {_listed(failed)}")
    return 1 if failed else 0


def _parted(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if "--" not in arguments:
        return arguments, ()
    place = list(arguments).index("--")
    return arguments[:place], arguments[place + 1 :]


def _passes(version: int, binaries: Path, handed_on: Sequence[str]) -> bool:
    _say(f"postgres: {version} begins")
    began = time.monotonic()
    command = [sys.executable, "-m", "controlplane.sandbox", "--", sys.executable, "-m", "pytest", *_files(handed_on)]
    environment = {**os.environ, BINARIES: str(binaries), EXPECTED: str(version), EVERY_GROUND: "yes"}
    done = subprocess.run([*command, *handed_on], cwd=ROOT, env=environment, check=False)
    outcome = "failed" if done.returncode else "passed"
    _say(f"postgres: {version} {outcome} after {duration(time.monotonic() - began)}")
    return done.returncode == 0


def _files(handed_on: Sequence[str]) -> list[str]:
    """The files about SQL, unless the arguments name tests themselves."""
    if any(argument.startswith("tests/") for argument in handed_on):
        return []
    folder = ROOT / "tests" / "integration"
    return sorted(str(file.relative_to(ROOT)) for pattern in PATTERNS for file in folder.glob(pattern))


def _listed(versions: Sequence[int]) -> str:
    return ", ".join(map(str, versions)) or "none"


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
