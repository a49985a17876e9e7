"""Sends a load of reviews from a process of its own, and tells how that went."""

import json
import subprocess
import sys
from dataclasses import asdict

from benchmarks.admitting.load import Load, Sent


def sent(load: Load) -> Sent:
    """Send the load; return when all of it is answered."""
    command = [sys.executable, "-m", "benchmarks.admitting.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return Sent(**json.loads(done.stdout))
