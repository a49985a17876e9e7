"""Where files that are written much and kept never may go: into memory, where that has room."""

import os
import shutil
import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30
"""Bytes that must be free in the memory file system before anything goes there; containers often have 64 MiB."""


def in_memory(candidate: Path = SHARED_MEMORY, needed: int = ENOUGH) -> Path | None:
    """The memory file system; None when it is not there, not ours to write, or has too little room."""
    if not os.access(candidate, os.W_OK | os.X_OK):
        return None
    return candidate if shutil.disk_usage(candidate).free >= needed else None


def fastest(candidate: Path = SHARED_MEMORY, needed: int = ENOUGH) -> Path:
    """The memory file system, or the directory for temporary files."""
    return in_memory(candidate, needed) or Path(tempfile.gettempdir())
