"""What the operator's process loads, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOADED = """
import sys
from cloudsql_iam_operator.__main__ import UNUSED, defer
defer(UNUSED)
import cloudsql_iam_operator.handlers.run
before = sum(name.startswith(UNUSED) for name in sys.modules)
from google.cloud import sqladmin_v1beta4
sqladmin_v1beta4.SqlInstancesServiceClient
print(before, sum(name.startswith(UNUSED) for name in sys.modules) > 50)
"""
ABSENT = "from cloudsql_iam_operator.__main__ import defer; defer('{}'); print('well')"


def told(program: str) -> str:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3] / "operator")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_client_that_the_connector_needs_for_other_tunnels_is_loaded_when_it_is_asked_for() -> None:
    assert told(LOADED) == "1 True\n"


@pytest.mark.parametrize("name", ["google.cloud.sqladmin_v0", "absent"])
def test_a_connector_that_needs_no_such_client_is_no_failure(name: str) -> None:
    assert told(ABSENT.format(name)) == "well\n"
