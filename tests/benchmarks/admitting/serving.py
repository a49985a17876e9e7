"""A server for the load, in a process of its own: the webhook, kopf's, or a bare one that answers the same bytes.

`python -m benchmarks.admitting.serving webhook|usual|bare` reads a line of JSON, what its server is told, prints a line
with its port and trust, and after each further line that it reads, what it has used so far. It loads no other server:
its memory is its own.
"""

import json
import resource
import sys
from importlib import import_module

from support.webhookparts.server import NAME


def used() -> dict[str, float]:
    """CPU seconds and the largest resident set so far, in MiB."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": usage.ru_utime + usage.ru_stime, "rss": usage.ru_maxrss / 1024}


def main(which: str) -> None:
    """Serve until standard input ends."""
    port, bundle = import_module(f"benchmarks.admitting.{which}").serve(json.loads(sys.stdin.readline()))
    print(json.dumps({"port": port, "bundle": bundle.decode(), "name": NAME}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(used()), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
