"""How the operator gets into the databases of an instance: as whom, by which way, acting as which owners."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cloudsql_iam_operator.adapters.cluster.objects import Cluster
from cloudsql_iam_operator.adapters.google.client import Fence
from cloudsql_iam_operator.adapters.postgres.connect import Connect, Connectors, PasswordLogin, by_password
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.adapters.postgres.startup import Startup
from cloudsql_iam_operator.api.instance import CloudSQLInstance, IPType, SecretRef
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.instances import InstanceFacts, address_of
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.google import Identities

_CONNECTION_TYPES = {
    IPType.PUBLIC: "PUBLIC",
    IPType.PRIVATE: "PRIVATE_SERVICES_ACCESS",
    IPType.PSC: "PRIVATE_SERVICE_CONNECT",
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Secrets of the operator's own namespace, the only ones it may read."""

    cluster: Cluster
    namespace: str

    def read(self, name: str) -> Mapping[str, str] | None:
        """A Secret's values; None when it does not exist."""
        return self.cluster.secret(self.namespace, name)


class Accesses:
    """Makes the way into an instance's databases. Everything blocks: call from a thread."""

    def __init__(self, secrets: Secrets, identities: Identities, connectors: Connectors, fence: Fence) -> None:
        self._secrets = secrets
        self._fence = fence
        self._identities = identities
        self._connectors = connectors
        self._startups: dict[tuple[str, int], Startup] = {}
        self._ways: dict[str, tuple[object, Connect]] = {}
        """By CloudSQLInstance the way in as last asked for: who keeps a session compares it."""

    def of(self, instance: CloudSQLInstance, facts: InstanceFacts) -> Access:
        """The way in, as the instance's spec and Secret say now.

        Raises:
            NotYet: the Secret is missing or lacks a key, or there are no Google credentials.
            Refused: the instance has no address of the wanted type.
        """
        database = instance.admin.database
        secret = database.secret
        way = self._by_iam(instance, facts) if secret is None else self._by_secret(instance, facts, secret)
        return Access(
            way.connect,
            database.set_role,
            database.owner_roles,
            self._fence,
            str(instance.connection),
            terminate_blockers=database.terminate_blockers,
            user=way.user,
        )

    def close(self) -> None:
        """End what connections need in the background."""
        self._connectors.close()

    def _by_iam(self, instance: CloudSQLInstance, facts: InstanceFacts) -> "_Way":
        google = self._identities.of(instance)
        ip_type = instance.admin.database.ip_type
        address_of(instance.connection, ip_type, facts)
        startup, connection, user = self._startup(instance, facts), instance.connection, google.username()
        what = connection, facts.major_version, google.identity.name, user, ip_type

        def connect() -> Connect:
            return self._connectors.iam(google.identity, connection, user, ip_type, startup)

        return _Way(self._same(instance, what, connect), user)

    def _same(self, instance: CloudSQLInstance, what: object, make: Callable[[], Connect]) -> Connect:
        name = instance.metadata.key.name
        known = self._ways.get(name)
        if known is None or known[0] != what:
            known = self._ways[name] = what, make()
        return known[1]

    def _by_secret(self, instance: CloudSQLInstance, facts: InstanceFacts, secret: SecretRef) -> "_Way":
        secret_data = self._secrets.read(secret.name)
        where = (
            f"Secret {self._secrets.namespace}/{secret.name}, named by CloudSQLInstance {instance.metadata.key.name}"
        )
        if secret_data is None:
            raise NotYet(Reason.DATABASE_LOGIN_FAILED, f"{where}, does not exist: create it")
        missing = [key for key in ("username", "password") if not secret_data.get(key)]
        if missing:
            raise NotYet(Reason.DATABASE_LOGIN_FAILED, f"{where}, has no {' and no '.join(missing)}: add it")
        host = _host(instance, facts)
        name = facts.server_name(_CONNECTION_TYPES[instance.admin.database.ip_type])
        login = PasswordLogin(host, secret_data["username"], secret_data["password"], facts.server_ca, server_name=name)
        startup, what = self._startup(instance, facts), (instance.connection, facts.major_version, login)
        connect = self._same(instance, what, lambda: by_password(instance.connection, login, startup))
        return _Way(connect, login.username)

    def _startup(self, instance: CloudSQLInstance, facts: InstanceFacts) -> Startup:
        """The same for all logins to an instance of one version, so that what it refuses is learned once."""
        place, version = str(instance.connection), facts.major_version
        return self._startups.setdefault((place, version), Startup(place, version))


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in, and as which database user."""

    connect: Connect
    user: str


def _host(instance: CloudSQLInstance, facts: InstanceFacts) -> str:
    wanted = instance.admin.database.ip_type
    names = dict(facts.dns_names)
    if wanted is IPType.PSC and names:
        return names.get(_CONNECTION_TYPES[wanted]) or names.get("", "")
    return address_of(instance.connection, wanted, facts)
