"""One emulated Google for all clients: it has fixed addresses."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.ground import Ground, google


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with google(Path(tmp_path_factory.mktemp("google"))) as ground:
        yield ground
