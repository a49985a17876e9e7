"""PostgreSQL servers and poolers in the pod: they listen where the proxy would, often on ports that nobody declares."""

from collections.abc import Iterator, Sequence

from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.core.injection.neighbours import shell
from cloudsql_iam_operator.core.injection.neighbours.flags import port_number
from cloudsql_iam_operator.core.injection.neighbours.variables import Variables
from cloudsql_iam_operator.core.injection.pod import Container
from cloudsql_iam_operator.core.injection.shelf import kept

PORT = 5432
POOLER_PORT = 6432

SERVERS = frozenset(
    {"postgres", "postgresql", "postgresql-repmgr", "postgis", "pgvector", "timescaledb", "timescaledb-ha", "spilo"}
    | {"age", "citus", "crunchy-postgres", "crunchy-postgres-gis", "paradedb", "patroni", "pgvecto-rs", "postgres-ha"}
    | {"vchord-postgres"}
)
"""Last steps of the names of images that run a server when they are told nothing else, without a version."""

POOLERS = frozenset({"pgbouncer", "pgpool", "pgpool-ii", "odyssey", "pgcat"})
"""Programs, and last steps of the names of images."""

_PROGRAMS = frozenset({"postgres", "postmaster", "patroni", "pg_ctlcluster"})
"""Programs that serve, or start what serves."""

_STARTERS = {
    **dict.fromkeys(("pg_ctl", "postgresql"), "start"),
    **dict.fromkeys(("service", "systemctl", "rc-service", "invoke-rc.d"), "postgresql"),
}
"""Programs that start a server when they are told a word that begins like this."""

_HINTS = ("postgres", "postmaster", "patroni", "pg_ctl", "pgbouncer", "pgpool", "odyssey", "pgcat")
"""A part of each of their names: most containers are looked at no further."""

_PORT_VARIABLES = ("PGPORT", "POSTGRESQL_PORT_NUMBER", "PGBOUNCER_PORT", "LISTEN_PORT", "PGPOOL_PORT_NUMBER")
_PORT_OPTIONS = ("-p", "--port=", "port=", "-cport=")
_APART = ("-p", "--port")
"""Options whose value may be a word of its own."""


def is_server(container: Container) -> bool:
    """Whether the container runs a PostgreSQL server, which reads PGPORT and others as its own settings.

    Source: PostgreSQL, "Server Configuration", port: the default is taken from PGPORT
    """
    return kept(container, _is_server)


def _is_server(container: Container) -> bool:
    words = container.words
    told_nothing = not container.entrypoint and (not words or words[0].startswith("-"))
    if told_nothing and split_image(container.image).software in SERVERS:
        return True
    return bool(words) and any(_serves(command) for command in _started(container))


def server_ports(container: Container) -> frozenset[int]:
    """TCP ports that a server or pooler in the container listens on, declared or not; none when there is neither.

    Where it is told none, those are the usual ones; so is one more where a shell line may mean a client by its port.
    What a pooler declares is known already.
    """
    if is_server(container):
        told = frozenset(_told(container))
        return told if told and not any(" " in word for word in container.words) else told | {PORT}
    if _is_pooler(container):
        told = frozenset(_told(container))
        return told or (frozenset() if container.ports else frozenset({PORT, POOLER_PORT}))
    return frozenset()


def _serves(command: Sequence[str]) -> bool:
    program = shell.basename(command[0])
    if program in _PROGRAMS:
        return True
    return program in _STARTERS and any(word.startswith(_STARTERS[program]) for word in command[1:])


def _is_pooler(container: Container) -> bool:
    if not container.entrypoint and split_image(container.image).name in POOLERS:
        return True
    return bool(container.words) and any(shell.basename(command[0]) in POOLERS for command in _started(container))


def _started(container: Container) -> Iterator[Sequence[str]]:
    """Commands among the words, each of which may be a shell line as well."""
    words = container.words
    line = " ".join(words)
    if not any(hint in line for hint in _HINTS):
        return
    own = () if words[0].startswith("-") else shell.run_by(words)
    if own:
        yield own
    for word in words:
        if " " in word:
            yield from (command for command, _ in shell.commands(shell.Script(word), Variables(container).values))


def _told(container: Container) -> Iterator[int]:
    """Ports that are told by variables or options, those of a shell line included."""
    known = Variables(container)
    said = [known.values.get(name) or "" for name in _PORT_VARIABLES]
    expanded = map(known.expanded, container.words)
    words = [piece for word in expanded for piece in word.replace("'", " ").replace('"', " ").split()]
    for before, word in zip(("", *words), words, strict=False):
        option = next((option for option in _PORT_OPTIONS if word.startswith(option)), "")
        said.append(word if before in _APART else word.removeprefix(option) if option else "")
    yield from (number for number in map(port_number, said) if number is not None)
