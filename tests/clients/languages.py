"""How the login program of each language is started, and how it is told to trust an authority of ours."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from clients.fetching import CLIENTS, HERE
from clients.ground import Ground, Ran

LANGUAGES = ("python", "go", "node", "java")
_BUNDLED_STORE = Path("java/com/google/api/client/googleapis/google.p12")


def log_in(ground: Ground, language: str, arguments: list[str], more: Mapping[str, str]) -> Ran:
    """Run a language's program; a test of one that is not on this machine is skipped."""
    if language == "python":
        return ground.run([sys.executable, str(HERE / "python" / "login.py"), *arguments], more)
    client = next(each for each in CLIENTS if each.language == language)
    home = client.home(os.environ)
    if client.missing():
        pytest.skip(f"{language} is not on this machine: {', '.join(client.missing())}")
    assert home.exists(), "make test-clients fetches the clients first"
    command = [*_command(language, home, ground), *arguments]
    return ground.run(command, {**more, "NODE_EXTRA_CA_CERTS": str(ground.authority)}, (str(home),))


def _command(language: str, home: Path, ground: Ground) -> list[str]:
    if language == "go":
        return [str(home / "login")]
    if language == "node":
        return ["node", str(home / "login.mjs")]
    own = _java_store(ground, ground.folder / "trust.p12", "changeit")
    # the client library of Google's APIs brings a store of its own, which comes later on the class path than ours
    _java_store(ground, ground.folder / _BUNDLED_STORE, "notasecret")
    trust = [f"-Djavax.net.ssl.trustStore={own}", "-Djavax.net.ssl.trustStorePassword=changeit"]
    return ["java", *trust, "-cp", f"{ground.folder}/java:{home}:{home}/libraries/*", "Login"]


def _java_store(ground: Ground, store: Path, password: str) -> Path:
    """Java reads no PEM: a store of its own kind with the one authority; the passwords protect nothing."""
    if not store.exists():
        store.parent.mkdir(parents=True, exist_ok=True)
        told = ["-storetype", "PKCS12", "-storepass", password, "-noprompt", "-alias", "google"]
        command = ["keytool", "-importcert", "-keystore", str(store), "-file", str(ground.authority), *told]
        subprocess.run(command, capture_output=True, check=True)
        store.chmod(0o644)
    return store
