"""Memory and processor time of processes, as the kernel counts them. Which processes, the benchmarks decide."""

import os
import resource
from pathlib import Path

PROC = Path("/proc")
MIB = 1024 * 1024


def own_peak() -> float:
    """The most that this process has been resident, in MiB, since it started."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def resident(root: int, words: str) -> list[float]:
    """Resident MiB of the processes below `root` whose command holds these words, sorted."""
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid))}
    below = [pid for pid in parents if _descends(pid, root, parents)]
    return sorted(_resident(pid) for pid in below if words in _command(pid))


def cpu_seconds(root: int) -> float:
    """Processor time of a process, of those below it, and of the children that it has seen end."""
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid))}
    below = [pid for pid in parents if _descends(pid, root, parents)]
    return sum(_ticks(pid) for pid in below) / os.sysconf("SC_CLK_TCK")


def used(root: int, words: str) -> float:
    """Processor seconds of the processes below `root` whose command holds these words."""
    parents = {pid: parent for pid in _pids() if (parent := _parent(pid))}
    below = [pid for pid in parents if _descends(pid, root, parents) and words in _command(pid)]
    return sum(_ticks(pid) for pid in below) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    """Its own time and that of its ended children; fields 14 to 17 of proc(5)'s stat."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15])


def _pids() -> list[int]:
    return [int(place.name) for place in PROC.iterdir() if place.name.isdigit()]


def _descends(pid: int, root: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != root:
        pid = parents[pid]
    return pid == root


def _command(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _parent(pid: int) -> int:
    return _number(pid, "PPid:")


def _resident(pid: int) -> float:
    return _number(pid, "VmRSS:") * 1024 / MIB


def _number(pid: int, field: str) -> int:
    found = (line.split()[1] for line in _read(pid, "status").splitlines() if line.startswith(field))
    return int(next(found, "0"))


def _read(pid: int, name: str) -> str:
    """A file of a process; empty when the process has ended in the meantime."""
    try:
        return (PROC / str(pid) / name).read_text(errors="replace")
    except OSError:
        return ""
