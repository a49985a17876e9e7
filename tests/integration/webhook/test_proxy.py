"""The real proxy takes what the planner writes, listens where it says, and waits for a metadata server that is late."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from controlplane import binaries
from support.podshapes import SETTINGS, injected, pod, proxy

SETTINGS_THAT_ALLOW = replace(SETTINGS, extra_args=True, endpoints=("https://sqladmin.example/",))
NOBODY = {"GCE_METADATA_HOST": "127.0.0.1:1"}
"""Where no metadata server answers, ever."""

WISHES = {
    "one instance": {},
    "several instances": {"instances": "a:b:c,a:b:d,db.acme.example", "ip-type": "psc"},
    "any address": {"inject": "true", "instances": "a:b:c,a:b:d", "ip-type": "auto"},
    "flags": {
        "lazy-refresh": "true",
        "max-connections": "10",
        "min-sigterm-delay": "1s",
        "max-sigterm-delay": "2s",
        "debug-logs": "true",
        "quota-project": "acme",
        "sql-admin-api-endpoint": "https://sqladmin.example/",
        "prometheus": "true",
        "admin-port": "9191",
        "extra-args": '["--resource-exhausted-cooldown-delay=5s"]',
    },
    "another account": {
        "impersonate": "checkout@acme-prod.iam.gserviceaccount.com",
        "impersonate-delegates": "b@p.iam.gserviceaccount.com",
    },
}


@pytest.fixture(scope="session")
def program() -> Path:
    return binaries.ensure(print).cloud_sql_proxy


@contextmanager
def running(program: Path, arguments: list[str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with ExitStack() as stack:
        out = stack.enter_context(log.open("wb"))
        environment = {"PATH": os.environ["PATH"], "HOME": "/nowhere", **NOBODY}
        process = subprocess.Popen([str(program), *arguments], stdout=out, stderr=out, env=environment)
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@pytest.mark.parametrize("what", WISHES)
def test_the_proxy_listens_with_what_the_planner_wrote(program: Path, tmp_path: Path, what: str) -> None:
    made = proxy(injected(pod(annotations=WISHES[what]), settings=SETTINGS_THAT_ALLOW))
    probe = [str(program), *made["startupProbe"]["exec"]["command"][1:-1], "--max=60s"]

    with running(program, made["args"], tmp_path / "log") as process:
        waited = subprocess.run(probe, capture_output=True, text=True, timeout=120, check=False)
        log = (tmp_path / "log").read_text()

    assert (waited.returncode, process.returncode) == (0, 0), log
    for instance in (word.partition("?")[0] for word in made["args"] if not word.startswith("--")):
        assert f"[{instance}] Listening on 127.0.0.1:" in log


def test_one_probe_looks_again_while_the_kubelet_waits_for_it(program: Path) -> None:
    probe = proxy(injected(pod()))["startupProbe"]
    looking_again = 2 * 1.0  # the proxy's `wait` looks once a second
    began = time.monotonic()

    waited = subprocess.run(
        [str(program), *probe["exec"]["command"][1:]], capture_output=True, timeout=120, check=False
    )

    assert waited.returncode == 1
    assert looking_again < time.monotonic() - began
    assert (
        looking_again < float(probe["exec"]["command"][-1].removeprefix("--max=").rstrip("s")) < probe["timeoutSeconds"]
    )


@pytest.mark.parametrize(
    "wishes",
    [
        {"unix-socket": "/tmp/sql"},
        {"instances": '[{"name": "a:b:c", "socket": "/tmp/sql"}, "a:b:d"]'},
        {"instances": "a:b:c", "unix-socket": "/tmp/sql", "env": "prefix"},
    ],
)
def test_flags_for_sockets_do_not_contradict_each_other(program: Path, tmp_path: Path, wishes: dict[str, str]) -> None:
    arguments = proxy(injected(pod(annotations=wishes)))["args"]

    with running(program, arguments, tmp_path / "log") as process:
        # it asks Google for the kind of database before it listens, and nobody answers
        process.wait(120)
        log = (tmp_path / "log").read_text()

    assert "Authorizing with Application Default Credentials" in log
    assert "Usage:" not in log
