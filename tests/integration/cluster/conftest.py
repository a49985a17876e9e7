"""One control plane for all tests of this folder; each has names of its own in it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.shared_plane import SharedPlane, shared_plane


@pytest.fixture(scope="package")
def shared() -> Iterator[SharedPlane]:
    """Started for the first test that asks, stopped when the last of the folder is over."""
    assert "CHAIN_DIR" in os.environ, "run this under `python -m controlplane.sandbox -- …`, as make does"
    with shared_plane(Path(tempfile.mkdtemp(prefix="plane-", dir=os.environ["CHAIN_DIR"]))) as running:
        yield running
