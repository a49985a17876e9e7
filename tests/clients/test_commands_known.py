"""The table of gcloud commands is gcloud's own, as the installed one lists them for a shell's completion."""

import ast
import shutil
from pathlib import Path
from typing import Any

import pytest

from support.gcloud_commands import EVERYWHERE, NEWER, VERBS


@pytest.fixture(scope="module")
def tree() -> dict[str, Any]:
    program = shutil.which("gcloud")
    if program is None:
        pytest.skip("gcloud is not on this machine")
    text = (Path(program).resolve().parents[1] / "data" / "cli" / "gcloud_completions.py").read_text()
    found = ast.literal_eval(text.partition("STATIC_COMPLETION_CLI_TREE = ")[2])
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("path", sorted(VERBS.keys() - NEWER), ids=" ".join)
def test_a_command_of_the_table_is_gclouds(tree: dict[str, Any], path: tuple[str, ...]) -> None:
    known, node = set(tree["flags"]), tree
    for word in path:
        node = node["commands"][word]
        known |= set(node["flags"])

    assert (VERBS[path].needed | VERBS[path].allowed | EVERYWHERE) - known == set()
