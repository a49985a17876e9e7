"""The sandbox from the outside: what gets in, what gets out, and that nothing stays behind."""

import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from controlplane import network
from controlplane.sandbox import UNABLE
from e2e.waiting import eventually

ROOT = Path(__file__).parents[3]
NOBODY = 65534
LIMIT = 120.0

SERVER = """
import os, socket, sys
from controlplane import network
network.prepare()
with socket.create_server(("198.19.0.1", 443)) as server:
    print(os.environ["CHAIN_FORWARD"], flush=True)
    while True:
        with server.accept()[0] as connection:
            connection.sendall(sys.argv[1].encode() + b" heard " + connection.recv(100))
"""


@dataclass(frozen=True, slots=True)
class Person:
    """Who runs a sandbox, and the Python that they may run."""

    python: str
    uid: int
    environment: Mapping[str, str]

    def start(self, *command: str, forward: bool = False) -> "subprocess.Popen[str]":
        """A sandbox around a command; its output is read from `stdout`."""
        options = ["--forward", "0"] if forward else []
        return subprocess.Popen(
            [*self._become(), self.python, "-m", "controlplane.sandbox", *options, "--", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            cwd="/",
        )

    def said(self, *command: str) -> tuple[int, str]:
        """Exit status and output of a command in a sandbox."""
        with self.start(*command) as process:
            output = process.communicate(timeout=LIMIT)[0]
        return process.returncode, output.strip()

    def _become(self) -> list[str]:
        if self.uid == os.geteuid():
            return []
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]


@pytest.fixture(autouse=True, scope="module")
def loopback() -> None:
    """These tests are in a sandbox themselves; forwarded ports need its loopback."""
    network.prepare()


@pytest.fixture(params=["this account", "an account without rights"])
def person(request: pytest.FixtureRequest) -> Iterator[Person]:
    """Root and an ordinary user; an ordinary user who runs the tests stands for both."""
    if request.param == "this account" or os.geteuid() != 0:
        yield Person(sys.executable, os.geteuid(), os.environ)
        return
    with tempfile.TemporaryDirectory(dir=os.environ["CHAIN_DIR"]) as name:
        yield from _ordinary(Path(name))


def _ordinary(place: Path) -> Iterator[Person]:
    """Python and this checkout are shown where any account may read them: a home directory is closed to others."""
    place.chmod(0o711)
    shown = {place / "python": Path(sys.base_prefix), place / "tests": ROOT / "tests"}
    for target, source in shown.items():
        target.mkdir()
        subprocess.run(["mount", "--bind", str(source), str(target)], check=True)
    try:
        program = place / "python" / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        yield Person(
            str(program), NOBODY, {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": str(place / "tests")}
        )
    finally:
        for target in shown:
            subprocess.run(["umount", "--lazy", str(target)], check=True)


def processes(marker: str) -> list[int]:
    """Processes whose command line holds a text."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if marker.encode() in line:
            found.append(int(process.name))
    return found


def heard(port: int) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT) as connection:
        connection.sendall(b"hello")
        return connection.recv(100).decode()


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def ended(process: "subprocess.Popen[str]", number: signal.Signals) -> int:
    process.send_signal(number)
    with process:
        return process.wait(LIMIT)


@pytest.mark.parametrize(("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_the_commands_exit_status_is_the_sandboxs(person: Person, script: str, status: int) -> None:
    assert person.said("sh", "-c", script) == (status, "")


def test_a_command_that_does_not_exist_is_named(person: Person) -> None:
    assert person.said("no-such-program") == (
        127,
        "sandbox: no-such-program cannot be started: No such file or directory",
    )


def test_the_network_inside_is_empty(person: Person) -> None:
    status, output = person.said("cat", "/proc/net/dev", "/proc/net/route")

    names = [row.split(":")[0].strip() for row in output.splitlines() if ":" in row]
    assert (status, names) == (0, ["lo"])


def test_processes_of_the_outside_are_not_seen(person: Person) -> None:
    status, output = person.said("sh", "-c", "echo $PPID; kill -0 3 || true; ls -d /proc/[0-9]* | wc -l")

    assert (status, output.splitlines()[0], int(output.split()[-1]) < 6) == (0, "1", True)


def test_pods_can_be_made_inside(person: Person) -> None:
    script = (
        "mount -t tmpfs none /mnt && mkdir /mnt/a && mount --bind /etc /mnt/a && unshare --net --mount chroot / id -u"
    )

    assert person.said("sh", "-c", script) == (0, str(person.uid))


def test_mounts_inside_do_not_reach_the_outside(person: Person) -> None:
    before = Path("/proc/self/mounts").read_text()

    with person.start("sh", "-c", "mount -t tmpfs none /mnt && echo mounted && exec sleep 1000") as process:
        assert line(process) == "mounted"
        during = Path("/proc/self/mounts").read_text()
        process.terminate()

    assert during == before


def test_the_directory_goes_with_the_sandbox(person: Person) -> None:
    script = "echo $CHAIN_DIR; echo file > $CHAIN_DIR/file; stat -c %a $CHAIN_DIR; exec sleep 1000"

    process = person.start("sh", "-c", script)
    directory, mode = Path(line(process)), line(process)
    held = (directory / "file").read_text()
    ended(process, signal.SIGTERM)

    assert (mode, held) == ("711", "file\n")
    assert not directory.exists()


def test_shared_memory_of_killed_programs_does_not_stay(person: Person) -> None:
    name = f"segment-{os.getpid()}-{person.uid}"

    status, _ = person.said("sh", "-c", f"echo data > /dev/shm/{name}; kill -9 $$")

    assert status == 137
    assert not Path("/dev/shm", name).exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 6), (signal.SIGINT, 5), (signal.SIGKILL, -9)], ids=str)
def test_no_process_outlives_the_sandbox_however_it_ends(person: Person, number: signal.Signals, status: int) -> None:
    marker = f"86400.{os.getpid()}"
    script = f'trap "exit 5" INT; trap "exit 6" TERM; setsid sleep {marker} & sleep {marker} & echo up; wait; wait'

    process = person.start("sh", "-c", script)
    assert line(process) == "up"
    eventually(lambda: len(processes(f"sleep\0{marker}")) == 2, "both sleep")
    outcome = ended(process, number)

    assert outcome == status
    eventually(lambda: not processes(marker), "all of them are gone")


def test_a_directory_that_a_killed_sandbox_left_goes_with_the_next(person: Person) -> None:
    process = person.start("sh", "-c", "echo $CHAIN_DIR; exec sleep 1000")
    directory = Path(line(process))
    ended(process, signal.SIGKILL)
    assert directory.exists()

    person.said("true")

    assert not directory.exists()


def test_ctrl_c_reaches_the_command_once() -> None:
    counting = "import signal, time\nn = []\nsignal.signal(2, lambda *_: n.append(1))\nprint('up', flush=True)\n"
    counting += "while not n: time.sleep(.01)\nt = time.monotonic()\n"
    counting += "while time.monotonic() < t + 1: time.sleep(.01)\nprint('interrupted', len(n), flush=True)"
    command = [sys.executable, "-m", "controlplane.sandbox", "--", sys.executable, "-c", counting]

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command)
    seen = _read_until(terminal, b"up")
    os.write(terminal, b"\x03")
    seen = _read_until(terminal, b"interrupted 1\r\n")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)

    assert seen.endswith(b"interrupted 1\r\n")
    assert os.waitstatus_to_exitcode(status) == 0


def _read_until(terminal: int, text: bytes) -> bytes:
    seen = b""
    while text not in seen:
        try:
            seen += os.read(terminal, 1000)
        except OSError:  # the other side is closed
            break
    return seen


def test_two_sandboxes_use_the_same_addresses_and_each_reaches_its_own() -> None:
    person = Person(sys.executable, os.geteuid(), os.environ)

    first = person.start(sys.executable, "-c", SERVER, "first", forward=True)
    second = person.start(sys.executable, "-c", SERVER, "second", forward=True)
    ports = int(line(first)), int(line(second))
    told = [heard(ports[0]), heard(ports[1]), heard(ports[0])]
    ended(first, signal.SIGTERM)
    still = heard(ports[1])
    ended(second, signal.SIGTERM)

    assert told == ["first heard hello", "second heard hello", "first heard hello"]
    assert still == "second heard hello"


def test_a_machine_that_allows_no_namespaces_is_told_what_would_help() -> None:
    inside = "echo 0 > /proc/sys/user/max_net_namespaces; exec python -m controlplane.sandbox -- true"
    inside = inside.replace("python", sys.executable)

    unable = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", inside],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )

    assert unable.returncode == UNABLE == 3
    assert unable.stderr == (
        "sandbox: root may not make namespaces here (unshare: unshare failed: No space left on device);"
        " give the container CAP_SYS_ADMIN and an unmasked /proc\n"
    )
