"""One manifest file for the verb `inject`, and for `inject --migrate`."""

from pathlib import Path
from typing import Any

import pytest

from support.migrating import ACCESS, Migrated
from unit.cli.shop import Ran


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def run(text: str, *arguments: str) -> Ran:
        file = tmp_path / "shop.yaml"
        file.write_text(text)
        return Ran(capsys, "-f", str(file), *arguments)

    return run


@pytest.fixture
def migrated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda body, access=ACCESS: Migrated(tmp_path, capsys, body, access)
