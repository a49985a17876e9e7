"""One manifest file for the verb `inject`."""

from pathlib import Path
from typing import Any

import pytest

from unit.cli.shop import Ran


@pytest.fixture
def ran(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    def run(text: str, *arguments: str) -> Ran:
        file = tmp_path / "shop.yaml"
        file.write_text(text)
        return Ran(capsys, "-f", str(file), *arguments)

    return run
