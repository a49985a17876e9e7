"""The file tree that a container sees, put together with mount(2) in a mount namespace of its own.

The tree is the host's, but for /run, /tmp, /dev and /etc, which are the container's own. Nothing made here is ever
written to the host: a mount point that is missing is made in a copy of its folder, of which every entry is bound.
Works as root and as an ordinary user in a user namespace. Standard library only: it runs before every container.
"""

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BIND, RECURSIVE, PRIVATE, REMOUNT, READ_ONLY, DETACH = 4096, 16384, 1 << 18, 32, 1, 2
_KEPT_BY_BIND = {os.ST_NOSUID: 2, os.ST_NODEV: 4, os.ST_NOEXEC: 8, 1024: 1 << 10, 2048: 1 << 11, 4096: 1 << 21}
"""statvfs flag to mount flag: what a read-only remount may not drop inside a user namespace (mount_namespaces(7))."""

_HOST = Path("/.host")
_OWN = {"run", "tmp", "etc", "dev", "lost+found"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Mount:
    """One host file or folder, and where the container sees it."""

    source: str
    target: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Etc:
    """The container's own files under /etc: texts of hosts and resolv.conf, and the trust store's path on the host."""

    hosts: str
    resolv: str
    trust: str


def enter(root: Path, etc: Etc, mounts: Iterable[Mount]) -> None:
    """Make `root` (an empty folder) the root of this process, which must be in a mount namespace of its own.

    Shorter mount targets come first, so that one may lie within another.
    """
    bind("", "/", RECURSIVE | PRIVATE)
    _empty(str(root))
    host = root / _HOST.name
    host.mkdir()
    bind("/", str(host))
    os.chroot(root)
    os.chdir("/")
    _fill(_HOST, Path("/"), without=_OWN | {_HOST.name})
    _make_own_folders()
    _make_etc(etc)
    attached: list[Path] = []
    for one in sorted(mounts, key=lambda m: m.target.count("/")):
        attached.append(_attach(one, attached))
    _check(_libc.umount2(str(_HOST).encode(), DETACH), "umount of the host's tree")


def bind(source: str, target: str, flags: int = BIND | RECURSIVE) -> None:
    """Show a file or folder at another place, or with `flags` change the mount that is there, as mount(2) does.

    Raises:
        OSError: with the source and the target.
    """
    done = _libc.mount(source.encode(), target.encode(), b"", flags, None)
    _check(done, f"mount of {source or 'nothing'} on {target}")


def _empty(target: str) -> None:
    _check(_libc.mount(b"tmpfs", target.encode(), b"tmpfs", 0, b"mode=755"), f"mount of a tmpfs on {target}")


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _fill(source: Path, target: Path, without: Iterable[str] = ()) -> None:
    """Show every entry of a folder under another one."""
    for entry in os.scandir(source):
        if entry.name not in without:
            _show(Path(entry.path), target / entry.name)


def _show(source: Path, target: Path) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    if source.is_dir():
        target.mkdir()
    else:
        target.touch()
    bind(str(source), str(target))


def _make_own_folders() -> None:
    for name, mode in {"/run": 0o755, "/tmp": 0o1777, "/dev": 0o755, "/dev/shm": 0o1777}.items():
        Path(name).mkdir(exist_ok=True)
        Path(name).chmod(mode)
    Path("/run/lock").mkdir()
    for device in _DEVICES:
        _show(_HOST / "dev" / device, Path("/dev") / device)
    _show(_HOST / "dev/pts", Path("/dev/pts"))
    for name, target in _LINKS.items():
        Path("/dev", name).symlink_to(target)


def _make_etc(etc: Etc) -> None:
    folder = Path("/etc")
    folder.mkdir()
    _fill(_HOST / "etc", folder, without={"hosts", "resolv.conf", *(["ssl"] if etc.trust else [])})
    (folder / "hosts").write_text(etc.hosts)
    (folder / "resolv.conf").write_text(etc.resolv)
    if etc.trust:
        (folder / "ssl/certs").mkdir(parents=True)
        if (_HOST / "etc/ssl").is_dir():
            _fill(_HOST / "etc/ssl", folder / "ssl", without={"certs", "private", "cert.pem"})
        (folder / "ssl/certs/ca-certificates.crt").write_bytes((_HOST / etc.trust.lstrip("/")).read_bytes())
        (folder / "ssl/cert.pem").symlink_to("certs/ca-certificates.crt")


def _attach(one: Mount, volumes: list[Path]) -> Path:
    source = _HOST / one.source.lstrip("/")
    target = Path(os.path.realpath(one.target))
    if not target.exists():
        _make_mount_point(target, source.is_dir(), volumes)
    bind(str(source), str(target))
    if one.read_only:
        bind("", str(target), BIND | REMOUNT | READ_ONLY | _flags_of(target))
    return target


def _make_mount_point(target: Path, folder: bool, volumes: list[Path]) -> None:
    parent = next(above for above in target.parents if above.exists())
    within_volume = any(parent.is_relative_to(volume) for volume in volumes)
    if not within_volume and parent.stat().st_dev != Path("/").stat().st_dev:
        _copy(parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    if folder:
        target.mkdir()
    else:
        target.touch()


def _copy(folder: Path) -> None:
    """Put a folder of the container's own over a host's, with the same entries."""
    aside = Path("/.aside")
    aside.mkdir(exist_ok=True)
    bind(str(folder), str(aside))
    own = Path("/.own") / folder.relative_to("/")
    own.mkdir(parents=True)
    bind(str(own), str(folder), BIND)
    _fill(aside, folder)
    _check(_libc.umount2(str(aside).encode(), DETACH), f"umount of {folder}")


def _flags_of(path: Path) -> int:
    told = os.statvfs(path).f_flag
    return sum(flag for bit, flag in _KEPT_BY_BIND.items() if told & bit)
