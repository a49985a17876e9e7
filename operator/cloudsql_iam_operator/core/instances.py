"""What is known of a Cloud SQL instance from Google, and whether users can be made on it."""

from collections.abc import Iterable
from dataclasses import dataclass

from cloudsql_iam_operator.api.instance import CloudSQLInstance, ConnectionName, IPType
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason

IAM_FLAG = "cloudsql.iam_authentication"
PRIMARY = "CLOUD_SQL_INSTANCE"
_ADDRESS_TYPES = {IPType.PUBLIC: "PRIMARY", IPType.PRIVATE: "PRIVATE"}


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An instance as the Admin API shows it.

    `state` is Google's word; it stays RUNNABLE when the owner stopped the instance, which `stopped` tells.
    `addresses` are PRIMARY, PRIVATE, OUTGOING, and `hosts` gives the address of each; `server_ca`
    is PEM. `dns_names` are the instance's own, by connection type (PUBLIC, PRIVATE_SERVICES_ACCESS, …; "" for any).
    `psc`: it is reached by Private Service Connect.

    Source: Cloud SQL Admin API v1, DatabaseInstance
    """

    state: str
    stopped: bool
    database_version: str
    iam_authentication: bool
    instance_type: str
    region: str
    addresses: frozenset[str]
    hosts: tuple[tuple[str, str], ...] = ()
    server_ca: str = ""
    ssl_mode: str = ""
    connector_enforcement: str = ""
    server_ca_mode: str = ""
    dns_names: tuple[tuple[str, str], ...] = ()
    psc: bool = False

    @property
    def ip_types(self) -> tuple[IPType, ...]:
        """The kinds of address by which it is reached."""
        found = {IPType.PSC: self.psc, **{kind: name in self.addresses for kind, name in _ADDRESS_TYPES.items()}}
        return tuple(kind for kind in IPType if found[kind])

    def server_name(self, connection_type: str) -> str:
        """The DNS name that the server's certificate must carry for this way in; "" when it carries none.

        Under GOOGLE_MANAGED_INTERNAL_CA the authority signs for one instance alone. Others sign for many: only the
        name tells those apart.

        Raises:
            NotYet: such a name is needed and not known.
        """
        names = dict(self.dns_names)
        name = names.get(connection_type) or names.get("", "")
        if self.server_ca_mode in {"", "GOOGLE_MANAGED_INTERNAL_CA"}:
            return ""
        if not name:
            text = f"the server's certificate is of {self.server_ca_mode}, and Google tells no DNS name to verify it by"
            raise NotYet(Reason.DATABASE_UNREACHABLE, f"{text}: log in by IAM, or give the instance a DNS name")
        return name

    @property
    def major_version(self) -> int:
        """17 of POSTGRES_17; 0 of what is not written so."""
        number = self.database_version.removeprefix("POSTGRES_")
        return int(number) if number.isascii() and number.isdecimal() else 0


def disagreements(mine: CloudSQLInstance, others: Iterable[CloudSQLInstance]) -> list[str]:
    """What other objects say otherwise about the same instance, or about who writes the same project's policy."""
    found = []
    for other in others:
        fields = _differing(mine, other)
        if other.metadata.key != mine.metadata.key and fields:
            what = "instance" if other.connection == mine.connection else "project"
            found.append(
                f"CloudSQLInstance {other.metadata.key.name}, of the same {what}, has other {', '.join(fields)}"
            )
    return sorted(found)


def _differing(mine: CloudSQLInstance, other: CloudSQLInstance) -> list[str]:
    said, also = mine.admin, other.admin
    fields: dict[str, tuple[object, object]] = {"impersonateServiceAccount": (said.impersonate, also.impersonate)}
    if other.connection == mine.connection:
        fields |= {
            "database.secretRef": (said.database.secret, also.database.secret),
            "database.ipType": (said.database.ip_type, also.database.ip_type),
            "database.setRole": (said.database.set_role, also.database.set_role),
            "database.ownerRoles": (sorted(said.database.owner_roles), sorted(also.database.owner_roles)),
        }
    elif other.connection.project != mine.connection.project:
        return []
    return [f"admin.{name}" for name, (here, there) in fields.items() if here != there]


def require_usable(connection: ConnectionName, facts: InstanceFacts) -> None:
    """Return when the instance is a PostgreSQL that serves.

    Raises:
        Refused: users can not be declared on it at all.
        NotYet: it does not serve at the moment.
    """
    require_engine(connection, facts)
    require_running(connection, facts)


def require_engine(connection: ConnectionName, facts: InstanceFacts) -> None:
    """Return when the instance is one that users can be declared on at all.

    Raises:
        Refused: it is in another region, a replica, or not PostgreSQL.
    """
    if facts.region and facts.region != connection.region:
        text = f"instance {connection.instance} of project {connection.project} is in {facts.region}"
        raise Refused(Reason.INVALID_SPEC, f"{text}, not {connection.region}: correct spec.connectionName")
    if facts.instance_type not in {PRIMARY, ""}:
        text = f"instance {connection} is a {facts.instance_type}, which takes its users from its primary"
        raise Refused(Reason.UNSUPPORTED_ENGINE, f"{text}: name the primary")
    if not facts.database_version.startswith("POSTGRES_"):
        raise Refused(
            Reason.UNSUPPORTED_ENGINE, f"instance {connection} runs {facts.database_version}; only PostgreSQL is served"
        )


def require_running(connection: ConnectionName, facts: InstanceFacts) -> None:
    """Return when the instance serves.

    Raises:
        NotYet: it is stopped, being created, repaired or maintained.
    """
    if facts.stopped:
        raise NotYet(Reason.INSTANCE_STOPPED, f"instance {connection} is stopped (activationPolicy NEVER): start it")
    if facts.state != "RUNNABLE":
        raise NotYet(Reason.INSTANCE_NOT_READY, f"instance {connection} is in state {facts.state or 'unknown'}")


def address_of(connection: ConnectionName, ip_type: IPType, facts: InstanceFacts) -> str:
    """The instance's IP address of the type; "" where that is by Private Service Connect, which has none of its own.

    Raises:
        Refused: the instance has none of this type.
    """
    hosts = dict(facts.hosts)
    host = "" if ip_type is IPType.PSC else hosts.get(_ADDRESS_TYPES[ip_type])
    if host is None:
        known = ", ".join(name for name, kind in _ADDRESS_TYPES.items() if kind in hosts) or "none"
        text = f"instance {connection} has no address for ipType {ip_type}; it has {known}"
        raise Refused(Reason.INVALID_SPEC, f"{text}: correct spec.admin.database.ipType of its CloudSQLInstance")
    return host


def require_iam_authentication(connection: ConnectionName, facts: InstanceFacts) -> None:
    """Return when the instance lets IAM users log in.

    Raises:
        Refused: the database flag is off.
    """
    if not facts.iam_authentication:
        raise Refused(
            Reason.IAM_AUTHENTICATION_DISABLED,
            f"instance {connection} has the database flag {IAM_FLAG} off, so no IAM user can log in: set it to on",
        )
