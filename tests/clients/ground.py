"""An emulated Google under its own names and addresses inside the sandbox, and clients that are run beside it."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from cloudsql_emulator.acme import CHECKOUT_EMAIL, CHECKOUT_NAME, INSTANCE, PROJECT, acme
from cloudsql_emulator.config import Config, DatabaseUser, Listen, Metadata, ServiceAccount
from cloudsql_emulator.emulator import Emulator
from controlplane import network
from controlplane.addresses import FIRST_INSTANCE, GOOGLE_APIS, GOOGLE_HOSTS, METADATA, METADATA_HOSTS
from controlplane.golang import ROOT
from controlplane.pki import Authority, Subject

SECONDS = 120.0
REPORTS_NAME = f"reports@{PROJECT}.iam"
_HOSTS = f"127.0.0.1 localhost\n{GOOGLE_APIS} {' '.join(GOOGLE_HOSTS)}\n{METADATA} {' '.join(METADATA_HOSTS)}\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """How a client ended."""

    code: int
    output: str
    errors: str


def run(folder: Path, trust: Path, seen: tuple[str, ...], command: list[str], more: Mapping[str, str]) -> Ran:
    """Run a command to its end, which finds Google's names at the emulator and has `trust` for its trust store.

    Of what lies under /tmp it has `seen` and `folder`, read-only.
    """
    root = tempfile.mkdtemp(dir=folder)
    spec = {
        "root": root,
        "etc": {"hosts": _HOSTS, "resolv": "", "trust": str(trust)},
        "seen": sorted({*seen, str(folder)}),
        "environment": {"HOME": "/tmp", **more},
        "command": command,
    }
    path = Path(f"{root}.json")
    path.write_text(json.dumps(spec))
    rooted = [sys.executable, "-m", "clients.rooted", str(path)]
    done = subprocess.run(rooted, capture_output=True, text=True, check=False, timeout=SECONDS)
    return Ran(done.returncode, done.stdout.strip(), done.stderr.strip())


@dataclass(frozen=True, slots=True)
class Ground:
    """The emulator, the trust store with its authority (`trust`), that authority alone, and a folder for files."""

    emulator: Emulator
    folder: Path
    trust: Path
    authority: Path
    seen: tuple[str, ...] = field(default=(str(ROOT), sys.prefix))

    def run(self, command: list[str], more: Mapping[str, str], seen: tuple[str, ...] = ()) -> Ran:
        """Run a client to its end; `seen` are more places that it needs under /tmp, read-only."""
        return run(self.folder, self.trust, (*self.seen, *seen), command, more)

    def key_file(self) -> Path:
        """A new key of the workload's account, whose token endpoint is Google's own."""
        path = self.folder / "key.json"
        key = self.emulator.admin.new_key(CHECKOUT_EMAIL)
        path.write_text(json.dumps({**key, "token_uri": "https://oauth2.googleapis.com/token"}))
        path.chmod(0o644)
        return path


@contextmanager
def google(folder: Path) -> Iterator[Ground]:
    """The ground, with the workload's two roles granted and its database user made."""
    network.prepare()
    network.add_address(FIRST_INSTANCE)
    authority = Authority("clients-ca")
    pair = authority.server(Subject("googleapis.com", hosts=("*.googleapis.com",)))
    files = {"google.crt": pair.certificate, "google.key": pair.key, "ca.crt": authority.pair.certificate}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    listen = Listen(GOOGLE_APIS, 443, str(folder / "google.crt"), str(folder / "google.key"))
    with Emulator(_config(listen)) as emulator:
        for role in ("roles/cloudsql.client", "roles/cloudsql.instanceUser"):
            emulator.admin.add_binding(f"projects/{PROJECT}", role, f"serviceAccount:{CHECKOUT_EMAIL}")
        yield Ground(emulator, folder, folder / "ca.crt", folder / "ca.crt")


def _config(listen: Listen) -> Config:
    plain = acme()
    users = (
        DatabaseUser(CHECKOUT_NAME, "CLOUD_IAM_SERVICE_ACCOUNT"),
        DatabaseUser(REPORTS_NAME, "CLOUD_IAM_SERVICE_ACCOUNT"),
    )
    orders = replace(plain.instances[0], address=FIRST_INSTANCE, users=(*plain.instances[0].users, *users))
    assert orders.name == INSTANCE
    metadata = Metadata(PROJECT, Listen(METADATA, 80), default=CHECKOUT_EMAIL)
    accounts = (*plain.service_accounts, ServiceAccount(f"{REPORTS_NAME}.gserviceaccount.com"))
    return replace(plain, service_accounts=accounts, instances=(orders,), api=listen, metadata=metadata)
