"""A control plane, an emulated cloud and an operator that can be killed at any of its calls to either."""

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from chaos.fate import Fate
from chaos.nursery import Nursery, alive
from chaos.relay import Relay
from cloudsql_emulator.background import BackgroundLoop
from cloudsql_emulator.config import Config, DatabaseUser, ServiceAccount, parse_config
from cloudsql_emulator.emulator import Emulator
from controlplane import binaries, network
from controlplane.addresses import FIRST_INSTANCE
from controlplane.plane import ControlPlane
from e2e import world
from e2e.kubectl import Kubectl
from e2e.waiting import eventually

CRDS = Path(__file__).parents[2] / "crds"
OURS = {"checkout": "shop", "ledger": "billing", "old": "shop", "plain": "shop", "guest": "shop"}
"""Google accounts of the tenants, and in whose namespace a ServiceAccount may act as each."""

OLD = "old@acme-prod.iam"
"""A database user that somebody made by hand before the operator came."""

_HELD = """
SELECT what || ' ' || holder.rolname FROM (
    SELECT privilege_type || ' on database ' || datname AS what, grantee
    FROM pg_database, aclexplode(datacl) WHERE datname = current_database()
    UNION ALL SELECT privilege_type || ' on schema ' || nspname, grantee FROM pg_namespace, aclexplode(nspacl)
    UNION ALL SELECT privilege_type || ' on ' || pg_class.oid::regclass, grantee FROM pg_class, aclexplode(relacl)
    UNION ALL SELECT 'member of ' || roleid::regrole, member FROM pg_auth_members
) AS held JOIN pg_roles AS holder ON holder.oid = held.grantee
WHERE holder.rolname = ANY(%s) AND what NOT LIKE 'member of cloudsqliam%%'
"""


class Ground:
    """What the operator works on; everything that it can do wrong shows here."""

    def __init__(self, directory: Path, plane: ControlPlane, emulator: Emulator, loop: BackgroundLoop) -> None:
        self.fate = Fate()
        self.kubectl = Kubectl(binaries.ensure().kubectl, plane.admin)
        self.emulator = emulator
        emulator.witness(self.fate)
        self._relay = Relay(plane.admin, self.fate)
        self._loop = loop
        self._log = directory / "operator.log"
        self._nursery = Nursery(self._told(directory, loop.run(self._relay.start())), self._log)
        self._pid = 0

    def start(self) -> None:
        """Start the operator, unless it runs."""
        if not self._pid or not alive(self._pid):
            self._pid = self._nursery.operator()

    @property
    def pid(self) -> int:
        """The operator's process."""
        return self._pid

    def stop(self) -> None:
        """End everything that was started here."""
        if self._pid and alive(self._pid):
            os.kill(self._pid, signal.SIGKILL)
        self._nursery.close()
        self._loop.run(self._relay.stop())

    def log(self) -> str:
        """The end of what all operators said."""
        return self._log.read_text(errors="replace")[-6000:] if self._log.exists() else ""

    def bugs(self) -> list[str]:
        """What any operator said that it did not expect."""
        told = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return [line for line in told if "unexpected error" in line]

    def account(self, name: str, namespace: str) -> None:
        """Make the ServiceAccount that may act as a Google account."""
        annotations = {"iam.gke.io/gcp-service-account": _email(name)}
        metadata = {"name": name, "namespace": namespace, "annotations": annotations}
        self.kubectl.declare({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})

    def policy_text(self) -> str:
        """Everything in the policy but its etag, byte for byte."""
        policy = self.emulator.admin.policy(f"projects/{world.PROJECT}")
        return json.dumps({name: value for name, value in policy.items() if name != "etag"})

    def access(self) -> Counter[str]:
        """What the operator's principals have, and how many times: IAM roles, database users, privileges."""
        return self._members() + self._users() + self._privileges()

    def own(self, name: str, table: str) -> None:
        """Have a user own a new table, and let the operator make itself a member of the user."""
        user = _identifier(name)
        self._do(sql.SQL("CREATE TABLE {} (id int)").format(_relation(table)))
        self._do(sql.SQL("ALTER TABLE {} OWNER TO {}").format(_relation(table), user))
        options = sql.SQL("WITH ADMIN OPTION, INHERIT FALSE, SET FALSE")
        self._do(sql.SQL("GRANT {} TO {} {}").format(user, _identifier("operator"), options))

    def owners(self, *tables: str) -> list[str]:
        """Who owns each of the tables."""
        ask = "SELECT relowner::regrole::text FROM unnest(%s::regclass[]) WITH ORDINALITY AS asked(oid, number)"
        rows = self._sql(f"{ask} JOIN pg_class USING (oid) ORDER BY number", (list(tables),))
        return [str(owner).strip('"') for (owner,) in rows]

    def clear_away(self, name: str, *tables: str) -> None:
        """Drop these tables, and a user that was left."""
        for table in tables:
            self._do(sql.SQL("DROP TABLE {}").format(_relation(table)))
        self._do(sql.SQL("DROP ROLE {}").format(_identifier(name)))

    def quiet(self) -> None:
        """Return once the killed operator is gone, and its sessions in PostgreSQL, which may have been at work."""
        eventually(lambda: not alive(self._pid), "its process is gone")
        ask = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cloudsql-iam-operator'"
        eventually(lambda: self._sql(ask) == [(0,)], "its sessions have ended")

    def _members(self) -> Counter[str]:
        members = {f"serviceAccount:{_email(name)}": name for name in OURS}
        bindings = self.emulator.admin.policy(f"projects/{world.PROJECT}")["bindings"]
        return Counter(
            f"{binding['role']} {members[member]}"
            for binding in bindings
            for member in binding["members"]
            if member in members
        )

    def _users(self) -> Counter[str]:
        names = (user["name"] for user in self.emulator.admin.users(world.PROJECT, "orders"))
        return Counter(f"user {name.partition('@')[0]}" for name in names if name.partition("@")[0] in OURS)

    def _privileges(self) -> Counter[str]:
        names = [f"{name}@{world.PROJECT}.iam" for name in OURS]
        return Counter(what.partition("@")[0] for (what,) in self._sql(_HELD, (names,)))

    def _sql(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.emulator.superuser_dsn(world.CONNECTION, "orders"), autocommit=True) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def _do(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.emulator.superuser_dsn(world.CONNECTION, "orders"), autocommit=True) as connection:
            connection.execute(statement)

    def _told(self, directory: Path, server: str) -> Mapping[str, str]:
        kubeconfig, key = directory / "operator.kubeconfig", directory / "operator.json"
        cluster = {"name": "relay", "cluster": {"server": server}}
        context = {"name": "relay", "context": {"cluster": "relay", "user": "relay"}}
        users = [{"name": "relay", "user": {}}]
        config = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context], "users": users}
        kubeconfig.write_text(json.dumps({**config, "current-context": "relay"}))
        key.touch(0o600)
        key.write_text(json.dumps(self.emulator.admin.new_key(world.OPERATOR)))
        api = self.emulator.api_url
        names = ("SQLADMIN", "RESOURCE_MANAGER", "IAM", "IAM_CREDENTIALS")
        return {
            **{f"{name}_ENDPOINT": api for name in names},
            "KUBECONFIG": str(kubeconfig),
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "NO_GCE_CHECK": "true",
            "POD_NAMESPACE": "default",
            "POD_NAME": "operator-0",
            "WORKLOAD_POOL": world.POOL,
            "HEALTH_PORT": "8080",  # below those that connections take: each restart needs them again
            "METRICS_PORT": "9402",
        }


@contextmanager
def ground(directory: Path) -> Iterator[Ground]:
    """Everything started but the operator."""
    directory.mkdir(parents=True, exist_ok=True)
    network.prepare()
    network.add_address(FIRST_INSTANCE)
    plane = ControlPlane(directory / "plane", binaries.ensure())

    def install() -> None:
        Kubectl(binaries.ensure().kubectl, plane.admin)("apply", "--server-side", "-f", str(CRDS))

    plane.start(install)
    try:
        with Emulator(_config()) as emulator, BackgroundLoop() as loop:
            told = Ground(directory, plane, emulator, loop)
            try:
                yield told
            finally:
                told.stop()
    finally:
        plane.stop()


def _config() -> Config:
    plain = {**world.config("", "", ""), "api": {}, "control": {}, "metadata": None}
    config = parse_config(plain)
    instance = config.instances[0]
    users = (*instance.users, DatabaseUser(OLD, "CLOUD_IAM_SERVICE_ACCOUNT"))
    roles = (*instance.roles, "app_ro", "app_rw")
    others = (one for one in config.service_accounts if one.email != world.CHECKOUT)
    accounts = (*others, *(ServiceAccount(_email(name), _acted_as(name)) for name in OURS))
    return replace(config, instances=(replace(instance, users=users, roles=roles),), service_accounts=accounts)


def _identifier(name: str) -> sql.Identifier:
    return sql.Identifier(f"{name}@{world.PROJECT}.iam")


def _relation(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split("."))


def _email(name: str) -> str:
    return f"{name}@{world.PROJECT}.iam.gserviceaccount.com"


def _acted_as(name: str) -> dict[str, Any]:
    members = [f"serviceAccount:{world.POOL}[{OURS[name]}/{name}]"]
    return {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": members}]}
