"""Files go into memory only where that has room; a container's 64 MiB are not enough."""

import shutil
import tempfile
from pathlib import Path

from controlplane.memory import fastest, in_memory


def test_a_directory_with_room_is_taken(tmp_path: Path) -> None:
    assert in_memory(tmp_path, needed=1) == tmp_path


def test_a_directory_with_too_little_room_is_left_for_that_of_temporary_files(tmp_path: Path) -> None:
    more_than_free = shutil.disk_usage(tmp_path).free * 2

    assert in_memory(tmp_path, needed=more_than_free) is None
    assert fastest(tmp_path, needed=more_than_free) == Path(tempfile.gettempdir())


def test_a_directory_that_is_not_there_is_not_taken(tmp_path: Path) -> None:
    assert in_memory(tmp_path / "absent") is None
