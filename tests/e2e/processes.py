"""Processes of the chain that tests end from outside."""

from pathlib import Path


def operator_process() -> int:
    """The pid of the operator's `run`, in this sandbox."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            command = _command(entry)
            if command[-3:] == ["-m", "cloudsql_iam_operator", "run"]:
                return int(entry.name)
    raise AssertionError("the operator does not run")


def _command(entry: Path) -> list[str]:
    try:
        return (entry / "cmdline").read_bytes().decode().rstrip("\0").split("\0")
    except OSError:
        return []
