"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, write `build/bench/NAME.json`."""

import subprocess
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from benchmarks.figures import table, written

BENCHMARKS = ("admission", "chain", "grants", "iam", "scale")


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, or all; 0 unless one broke. A missed limit is shown and breaks nothing.

    Each has a process of its own, so that the memory of one is not that of another.
    """
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    if len(names) == 1:
        return _run(names[0])
    command = [sys.executable, "-m", "benchmarks"]
    return max([subprocess.run([*command, name], check=False).returncode for name in names or BENCHMARKS])


def _run(name: str) -> int:
    try:
        figures = import_module(f"benchmarks.{name}").measure()
    except Exception:  # noqa: BLE001 - the sandbox ends with this process: say what broke before
        traceback.print_exc()
        return 1
    print(table(name, figures))
    print(f"   written to {written(name, figures)}", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
