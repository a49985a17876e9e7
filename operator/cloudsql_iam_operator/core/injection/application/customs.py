"""What names of variables mean by custom: a connection string of PostgreSQL, or the host of a server."""

from collections.abc import Collection, Iterator

STRINGS = frozenset({"DSN", "DATA_SOURCE_NAME", "DATA_SOURCE_URI"})
"""Names of connection strings that no rule tells."""

_ENDS = frozenset({"URL", "URI", "DSN", "CONNECTIONSTRING"})
_HOSTS = frozenset({"HOST", "HOSTNAME", "SERVER", "ADDR", "ADDRESS"})

_DATABASES = frozenset(
    {"ALCHEMY", "DATABASE", "DATASOURCE", "DB", "FLYWAY", "JDBC", "LIQUIBASE", "PG", "PGRST", "POSTGRES", "POSTGRESDB"}
    | {"POSTGRESQL", "R2DBC", "SQLALCHEMY"}
)
"""Words that speak of a database, and where nothing else is said of PostgreSQL."""

_OTHERS = frozenset(
    {"BIGQUERY", "CASSANDRA", "CLICKHOUSE", "COUCHDB", "ELASTICSEARCH", "INFLUXDB", "MARIADB", "MONGO", "MONGODB"}
    | {"MSSQL", "MYSQL", "NEO4J", "ORACLE", "REDIS", "SNOWFLAKE", "SQLITE", "SQLSERVER"}
)
"""Words that speak of another kind of server."""


def holds_a_string(name: str) -> bool:
    """Whether a variable of this name holds a connection string, where its value cannot be seen."""
    words = _words(name)
    said = words[-1] in _ENDS or words[-2:] in (["CONNECTION", "STRING"], ["ALCHEMY", "CONN"])
    of_dotnet = words[0] == "CONNECTIONSTRINGS"
    return name in STRINGS or (((said and not _DATABASES.isdisjoint(words)) or of_dotnet) and _OTHERS.isdisjoint(words))


def hosts_without_port(names: Collection[str]) -> Iterator[str]:
    """Of the names those of a database's host beside which none is its port, so that the usual one is meant.

    The port's is written as the host's: PORT beside HOST, `Port` beside `Host`.
    """
    for name in names:
        words = _words(name)
        if words[-1] in _HOSTS and not _DATABASES.isdisjoint(words) and _OTHERS.isdisjoint(words):
            kin, host = name[: -len(words[-1])], name[-len(words[-1]) :]
            if kin + _written_as("port", host) not in names:
                yield name


def _written_as(word: str, other: str) -> str:
    return word.upper() if other.isupper() else word.title() if other[0].isupper() else word


def _words(name: str) -> list[str]:
    """The words of a name, of which the last two may be one: DB and HOST of `DBHOST`."""
    *before, last = name.upper().replace("-", "_").replace(".", "_").split("_")
    end = next((end for end in sorted(_ENDS | _HOSTS) if last.endswith(end) and last != end), "")
    return [*before, last.removesuffix(end), end] if end else [*before, last]
