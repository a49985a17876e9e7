"""`python -m benchmarks [NAME…]`: run benchmarks, print their tables, write `build/bench/NAME.json`."""

import sys
import traceback
from collections.abc import Callable, Sequence

from benchmarks import admission, chain, grants
from benchmarks.figures import Figure, table, written

BENCHMARKS: dict[str, Callable[[], Sequence[Figure]]] = {
    "admission": admission.measure,
    "chain": chain.measure,
    "grants": grants.measure,
}


def main(names: Sequence[str]) -> int:
    """Run the named benchmarks, or all; 0 unless one broke. A missed limit is shown and breaks nothing."""
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    return max([_run(name) for name in names or BENCHMARKS])


def _run(name: str) -> int:
    try:
        figures = BENCHMARKS[name]()
    except Exception:  # noqa: BLE001 - one that breaks must not keep the others from running
        traceback.print_exc()
        return 1
    print(table(name, figures))
    print(f"   written to {written(name, figures)}", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
