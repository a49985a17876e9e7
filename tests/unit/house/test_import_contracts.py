"""Each import contract is seen to fail: a rule that can not be broken holds nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = "cloudsql_iam_operator"

VIOLATIONS = {
    "layers: entry": (f"{PACKAGE}/core/reasons.py", f"import {PACKAGE}.services.lanes"),
    "api and core talk to nothing": (f"{PACKAGE}/api/names.py", "import socket"),
    "Google, PostgreSQL and Kubernetes clients only": (f"{PACKAGE}/services/lanes/lane.py", "import psycopg"),
    "lanes know no reconcilers": (
        f"{PACKAGE}/services/lanes/lane.py",
        f"import {PACKAGE}.services.reconcilers.user",
    ),
    "kopf only in handlers": (f"{PACKAGE}/services/lanes/lane.py", "import kopf"),
    "rooms of core": (f"{PACKAGE}/core/iam/policy.py", f"import {PACKAGE}.core.injection.plan"),
    "rooms of grants": (
        f"{PACKAGE}/core/grants/observed/snapshot.py",
        f"import {PACKAGE}.core.grants.decided.plan",
    ),
    "rooms of services": (f"{PACKAGE}/services/runtime/registry.py", f"import {PACKAGE}.services.lanes.lane"),
    "adapters: Google knows neither": (
        f"{PACKAGE}/adapters/google/client.py",
        f"import {PACKAGE}.adapters.postgres.connect",
    ),
}


@pytest.mark.parametrize("contract", VIOLATIONS)
def test_a_contract_breaks_when_its_rule_is_broken(contract: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "operator" / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    place, line = VIOLATIONS[contract]
    with (tmp_path / place).open("a") as module:
        module.write(f"\n{line}\n")

    said = linted(tmp_path)

    broken = said.partition("Broken contracts")[2].splitlines()
    assert any(row.startswith(contract) for row in broken), said


def test_no_contract_is_broken_as_things_are(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "operator" / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    said = linted(tmp_path)

    assert "9 kept, 0 broken" in said


def linted(directory: Path) -> str:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(directory)}
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
