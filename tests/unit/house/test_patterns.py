"""No text of a tenant meets a pattern that backtracks: every regular expression is known, and all of them are quick."""

import os
import subprocess
import sys

import pytest

from support.patterns import LINEAR, imports_of_names, used

CPU_SECONDS = 600
"""For what takes less than a minute: one that were quadratic would take hours."""


def test_every_regular_expression_is_listed_with_the_reason_why_it_is_linear() -> None:
    uses = {(module, name) for module, name, _ in used()}

    assert uses == {(module, name) for module, names in LINEAR.items() for name in names}


def test_regular_expressions_are_compiled_once_under_a_name() -> None:
    assert [(module, call.lineno) for module, name, call in used() if not name] == []
    assert {call.func.attr for _, _, call in used()} == {"compile"}  # type: ignore[attr-defined] # all are `re.…`
    assert imports_of_names() == []


@pytest.mark.parametrize("what", ["patterns", "calls"])
def test_hostile_texts_of_the_largest_size_are_read_in_bounded_time(what: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "support.adversarial", what]

    limited = ["prlimit", f"--cpu={CPU_SECONDS}", *command]
    done = subprocess.run(limited, env=environment, capture_output=True, text=True, check=False)

    tried = done.stdout.splitlines()
    assert done.returncode == 0, f"at {tried[-1:]}: {done.stderr}"
    assert len(tried) > 30
