"""Proxies that something else starts: a shell, an entrypoint, a wrapper. What they dial is seen all the same."""

from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Unchanged
from support.podshapes import PG, container, environment, injected, planned, pod, proxy, warnings

OURS = "acme-prod:europe-west1:orders"
LEGACY = "acme-prod:europe-west1:legacy"
TOOLS = "acme/tools:1"

WRAPPED = {
    "tini": ["/sbin/tini", "--", "cloud-sql-proxy"],
    "catatonit": ["catatonit", "cloud-sql-proxy"],
    "env": ["/usr/bin/env", "-u", "HOME", "A=b", "cloud-sql-proxy"],
    "timeout with a signal": ["timeout", "-s", "TERM", "-k", "5", "1h", "cloud-sql-proxy"],
    "nice": ["nice", "-n", "10", "cloud-sql-proxy"],
    "su-exec": ["su-exec", "nobody", "/cloud-sql-proxy"],
    "gosu": ["gosu", "65532:65532", "/cloud-sql-proxy"],
    "sudo": ["sudo", "-u", "nobody", "/cloud-sql-proxy"],
    "an entrypoint": ["/entrypoint.sh", "/cloud-sql-proxy"],
    "a program that nobody knows": ["/kubexit/kubexit", "/cloud-sql-proxy"],
    "the entrypoint of a pipeline": [
        "/tekton/bin/entrypoint",
        "-wait_file",
        "/w",
        "-entrypoint",
        "/cloud-sql-proxy",
        "--",
    ],
    "parameters of a shell": ["sh", "-c", 'exec "$@"', "--", "/cloud-sql-proxy"],
    "parameters of a shell that names the proxy": ["sh", "-c", 'exec /cloud-sql-proxy "$@"', "--"],
    "the first parameter as well": ["sh", "-c", 'exec "$0" $*', "/cloud-sql-proxy"],
    "the end of a shell's options": ["sh", "-c", "--", "exec /cloud-sql-proxy $0"],
}
"""Words before the proxy's arguments, in a container's command."""

LINES = {
    "quotes": "cloud-sql-proxy \"--port=5432\" '{}'",
    "quotes inside a word": "cloud-sql-proxy '--port='\"5432\" {}",
    "lines that go on": "cloud-sql-proxy \\\n  --port=5432 \\\n  {}\n",
    "tabs": "\tcloud-sql-proxy\t{}\t",
    "a file for the output": "cloud-sql-proxy {} >/var/log/proxy 2>&1 &\nwait",
    "a file for the output, apart": "cloud-sql-proxy {} > /var/log/proxy 2> /dev/null",
    "another program for the output": "cloud-sql-proxy {} 2>&1 | tee /log",
    "input from nowhere": "cloud-sql-proxy </dev/null {}",
    "no output": "cloud-sql-proxy {} &>/dev/null &\nwait",
    "a group": "(cloud-sql-proxy {}) & wait",
    "braces": "{{ cloud-sql-proxy {}; }} & wait",
    "a condition": 'if [ -n "$X" ]; then exec cloud-sql-proxy {}; fi',
    "a loop": "while true; do cloud-sql-proxy {}; done",
    "a trap": "trap 'exit 0' TERM; cloud-sql-proxy {} & wait $!",
    "a look before": "command -v cloud-sql-proxy >/dev/null || exit 1; cloud-sql-proxy {}",
    "a look-up": "exec $(which cloud-sql-proxy) {}",
    "a look-up by backticks": "exec `command -v cloud-sql-proxy` {}",
    "a look-up into a variable": "P=$(which cloud-sql-proxy); $P {}",
    "a shell in a shell": "sh -c 'cloud-sql-proxy {}'",
    "a shell of a user": "su -s /bin/sh nobody -c 'exec cloud-sql-proxy {}'",
    "eval": "eval cloud-sql-proxy {}",
    "a variable with a default": "cloud-sql-proxy --port=${{PORT:-5432}} {}",
    "a text before": "cat <<EOF\nstarting\nEOF\ncloud-sql-proxy {}",
    "flags in a variable": 'FLAGS="--structured-logs  --port 5432 {}"; exec cloud-sql-proxy $FLAGS',
    "all of it in a variable": 'CMD="/cloud-sql-proxy --port=5432 {}"; exec $CMD',
    "a variable that is empty": "MORE=; cloud-sql-proxy $MORE {}",
    "a default that is kept": "cloud-sql-proxy --port=${{PORT:=5432}} {}",
    "parameters that are set": 'set -- --port 5432 {}; cloud-sql-proxy "$@"',
    "a loop over one": 'for each in {}; do cloud-sql-proxy "$each" & done; wait',
    "beside the shell": "coproc cloud-sql-proxy {}\nwait",
    "a remark": "# cloud-sql-proxy acme:here:nothing\ncloud-sql-proxy {}",
}
"""Shell lines, with the instance in place of the braces."""


def wrapped(way: str, *instances: str) -> dict[str, Any]:
    return container("db", image=TOOLS, command=WRAPPED[way], args=list(instances))


def scripted(way: str, *instances: str) -> dict[str, Any]:
    return container("db", image=TOOLS, command=["/bin/bash", "-euo", "pipefail", "-c"], args=[_line(way, *instances)])


def _line(way: str, *instances: str) -> str:
    return LINES[way].format(" ".join(instances))


FOUND = [*((wrapped, way) for way in WRAPPED), *((scripted, way) for way in LINES)]


@pytest.mark.parametrize(("made", "way"), FOUND, ids=lambda each: each if isinstance(each, str) else "")
def test_a_proxy_that_something_else_starts_is_one_for_its_instance(made: Any, way: str) -> None:
    outcome = planned(pod(container(), made(way, OURS)))

    assert isinstance(outcome, Unchanged)
    assert outcome.code is Code.OTHER_PROXY
    (warning,) = outcome.warnings
    assert f"container db is a proxy for {OURS} already" in warning
    assert "several instances" not in warning


@pytest.mark.parametrize(("made", "way"), FOUND, ids=lambda each: each if isinstance(each, str) else "")
def test_a_proxy_that_something_else_starts_keeps_just_its_ports(made: Any, way: str) -> None:
    after = injected(pod(container(), made(way, LEGACY)))

    assert environment(after)["PGPORT"] == "5433"


def test_a_loop_over_several_instances_takes_a_port_for_each() -> None:
    line = f"for each in {LEGACY} acme-prod:europe-west1:audit; do cloud-sql-proxy $each & done; wait"

    after = injected(pod(container(), container("db", image=TOOLS, command=["sh", "-c", line])))

    assert environment(after)["PGPORT"] == "5434"


def test_a_line_in_one_word_is_a_line() -> None:
    command = ["/usr/bin/env", "-S", f"cloud-sql-proxy --port 5432 {OURS}"]

    assert isinstance(planned(pod(container(), container("db", image=TOOLS, command=command))), Unchanged)


def test_an_application_that_starts_a_proxy_beside_itself_is_not_to_be_removed() -> None:
    line = f"cloud-sql-proxy {OURS} & exec gunicorn shop"

    (warning,) = warnings(pod(container(command=["sh", "-c", line])))

    assert "a Cloud SQL Auth Proxy: take it out of the container's command, or take" in warning


def test_an_application_that_starts_a_proxy_for_others_beside_itself_gets_the_variables() -> None:
    line = f"cloud-sql-proxy {LEGACY} & until nc -z 127.0.0.1 5432; do sleep 1; done; exec gunicorn shop"

    after = injected(pod(container(command=["sh", "-c", line])))

    assert environment(after) == {**PG, "PGPORT": "5433"}


@pytest.mark.parametrize(
    "line",
    [
        "echo cloud-sql-proxy acme-prod:europe-west1:orders comes later; sleep inf",
        "command -v cloud-sql-proxy || true; sleep inf",
        "which cloud-sql-proxy; sleep inf",
        "while ! nc -z 127.0.0.1 5432; do sleep 1; done; echo cloud-sql-proxy >/ready",
        "sh -c 'sh -c \"echo cloud-sql-proxy\"'",
        "cat > cloud-sql-proxy.yaml",
    ],
)
def test_a_line_that_only_speaks_of_the_proxy_starts_none(line: str) -> None:
    after = injected(pod(container(), container("db", image=TOOLS, command=["sh", "-c", line])))

    assert environment(after)["PGPORT"] == "5432"


@pytest.mark.parametrize(
    "args",
    [
        ["--brand-new=1", "--structured-logs", OURS],
        ["--brand-new", "--auto-iam-authn", f"{OURS}?port=5432"],
    ],
)
def test_a_proxy_newer_than_this_operator_is_one_under_another_name_too(args: list[str]) -> None:
    assert isinstance(planned(pod(container(), container("db", image="acme/dbproxy:9", args=args))), Unchanged)


@pytest.mark.parametrize("args", [["--verbose=1", OURS], ["--instance", OURS, "--port=8080", "serve"]])
def test_an_application_with_an_instance_among_its_words_is_none(args: list[str]) -> None:
    assert proxy(injected(pod(container(), container("db", image=TOOLS, args=args))))["name"] == "cloudsql-proxy"


def test_lines_in_lines_without_end_are_answered() -> None:
    line = "sleep inf"
    for _ in range(12):
        line = "sh -c '" + line.replace("\\", "\\\\").replace("'", "'\\''") + "'"

    assert environment(injected(pod(container(), container("db", command=["sh", "-c", line[:60000]]))))
