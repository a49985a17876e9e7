"""Logging in by hand: each command of docs/users.md is run as it stands there, with the real psql and proxy."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cloudsql_emulator.emulator import Emulator
from integration.google.ground import ORDERS, Ground
from integration.google.members import ANN, company, free_port, proxy_arguments, shell

PAGE = Path(__file__).parents[3] / "docs" / "users.md"
CHECKOUT = "serviceAccount:checkout@acme-prod.iam.gserviceaccount.com"
ROLES = ("roles/cloudsql.instanceUser", "roles/cloudsql.client")
GCLOUD = """#!{python}
import os, sys
words = sys.argv[1:]
if words[:2] == ["sql", "generate-login-token"]:
    print(os.environ["CHECKOUT_TOKEN" if any("impersonate" in word for word in words) else "ANN_TOKEN"])
elif words[:4] == ["sql", "instances", "describe", "orders"]:
    print(os.environ["SERVER_CA"])
else:
    sys.exit(f"gcloud {{words}} is not known here")
"""
SAYS_WHO = "select current_user"


def commands() -> list[str]:
    """The shell blocks of the section about logging in by hand."""
    section = PAGE.read_text().split("\n## Logging in by hand\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, flags=re.DOTALL)


DIRECT = [one for one in commands() if "10.0.0.5" in one]
PROXIED = [one for one in commands() if "cloud-sql-proxy" in one]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(company()) as running:
        for member in (ANN, CHECKOUT):
            for role in ROLES:
                running.admin.add_binding("projects/acme-prod", role, member)
        with psycopg.connect(running.superuser_dsn("acme-prod:europe-west1:orders"), autocommit=True) as session:
            for name, kind in (
                ("ann@acme.com", "cloudsqliamuser"),
                ("checkout@acme-prod.iam", "cloudsqliamserviceaccount"),
            ):
                session.execute(f'create role "{name}" login in role {kind}'.encode())
        yield running


@pytest.fixture
def desk(emulator: Emulator, tmp_path: Path) -> Iterator[Path]:
    """A directory with a gcloud and a proxy of this emulator's on its path."""
    programs = tmp_path / "bin"
    programs.mkdir()
    proxy = " ".join(f"'{word}'" for word in proxy_arguments(emulator, ANN))
    for name, text in (
        ("gcloud", GCLOUD.format(python=sys.executable)),
        ("cloud-sql-proxy", f'#!/bin/bash\nexec {proxy} "$@"\n'),
    ):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    yield tmp_path
    emulator.admin.set_settings("acme-prod", "orders", {"connectorEnforcement": "NOT_REQUIRED"})
    emulator.admin.set_settings(
        "acme-prod", "orders", {"ipConfiguration": {"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}}
    )


def run(emulator: Emulator, desk: Path, command: str, **tokens: str) -> tuple[int, str]:
    """How the command of the page ended, asked who it is, and all that it and its proxy printed."""
    port = str(free_port())
    address = emulator.instance_address("acme-prod:europe-west1:orders")
    script = command.replace("10.0.0.5", address).replace("6543", port)
    script = script.replace("psql --no-password", f"psql --no-password -XAtc '{SAYS_WHO}'")
    if "cloud-sql-proxy" in script:
        waiting = "until grep -q 'ready for new connections' proxy.log; do kill -0 $!; sleep 0.1; done"
        script = script.replace("&\n", f">proxy.log 2>&1 &\ntrap 'kill $!' EXIT\n{waiting}\n")
    told = {
        "ANN_TOKEN": emulator.admin.mint_token(ANN),
        "CHECKOUT_TOKEN": emulator.admin.mint_token(CHECKOUT),
        "SERVER_CA": server_ca(emulator),
        **tokens,
    }
    done = shell(script, told, desk)
    log = desk / "proxy.log"
    return done.returncode, done.stdout + done.stderr + (log.read_text() if log.exists() else "")


def server_ca(emulator: Emulator) -> str:
    return Ground.of(emulator, ANN).sqladmin.instance(ORDERS).server_ca


def user_of(command: str) -> str:
    found = re.search(r"user=(\S+) ", command)
    assert found is not None
    return found[1]


def test_the_page_has_commands_for_each_way_in() -> None:
    assert (len(DIRECT), len(PROXIED)) == (3, 1)
    assert {user_of(command) for command in DIRECT} == {"ann@acme.com", "checkout@acme-prod.iam"}
    assert shutil.which("bash")


@pytest.mark.parametrize("command", commands())
def test_each_command_logs_its_user_in(emulator: Emulator, desk: Path, command: str) -> None:
    code, said = run(emulator, desk, command)

    assert code == 0, said
    assert user_of(command) in said.splitlines()


@pytest.mark.parametrize("command", DIRECT)
def test_somebody_elses_token_and_no_token_log_nobody_in(emulator: Emulator, desk: Path, command: str) -> None:
    bob = emulator.admin.mint_token("user:bob@acme.com")

    refused = run(emulator, desk, command, ANN_TOKEN=bob, CHECKOUT_TOKEN=bob)
    without = run(emulator, desk, command, ANN_TOKEN="", CHECKOUT_TOKEN="")

    assert refused[0] != 0
    assert "authentication failed for user" in refused[1]
    assert bob not in refused[1]
    assert (without[0] != 0, "no password supplied" in without[1]) == (True, True)


MODES: dict[str, tuple[dict[str, Any], str]] = {
    "ENCRYPTED_ONLY": ({"ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}}, ""),
    "TRUSTED_CLIENT_CERTIFICATE_REQUIRED": (
        {"ipConfiguration": {"sslMode": "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}},
        "connection requires a valid client certificate",
    ),
    "connectorEnforcement": ({"connectorEnforcement": "REQUIRED"}, "pg_hba.conf rejects connection"),
}


@pytest.mark.parametrize("mode", MODES)
def test_settings_close_the_way_that_the_page_says_and_no_other(emulator: Emulator, desk: Path, mode: str) -> None:
    settings, words = MODES[mode]
    assert words in PAGE.read_text()
    emulator.admin.set_settings("acme-prod", "orders", settings)

    code, said = run(emulator, desk, DIRECT[0])
    through = run(emulator, desk, PROXIED[0])

    assert (code == 0, words in said) == (not words, True)
    assert through[0] == 0, through[1]


def test_the_name_with_its_suffix_fails_in_the_words_of_the_page(emulator: Emulator, desk: Path) -> None:
    wrong = DIRECT[2].replace("user=checkout@acme-prod.iam ", "user=checkout@acme-prod.iam.gserviceaccount.com ")

    code, said = run(emulator, desk, wrong)

    assert code != 0
    assert "password authentication failed" in said
