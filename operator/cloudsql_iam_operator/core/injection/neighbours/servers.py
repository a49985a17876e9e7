"""PostgreSQL servers and poolers in the pod: they listen where the proxy would, often on ports that nobody declares."""

from collections.abc import Iterator

from cloudsql_iam_operator.api.parsing.images import split_image
from cloudsql_iam_operator.core.injection.neighbours import shell
from cloudsql_iam_operator.core.injection.neighbours.variables import Variables
from cloudsql_iam_operator.core.injection.pod import Container

PORT = 5432
POOLER_PORT = 6432

SERVERS = frozenset(
    {"postgres", "postgresql", "postgresql-repmgr", "postgis", "pgvector", "timescaledb", "timescaledb-ha", "spilo"}
)
"""Last steps of the names of images that run a server when they are told nothing else."""

POOLERS = frozenset({"pgbouncer", "pgpool", "pgpool-ii", "odyssey"})

_PORT_VARIABLES = ("PGPORT", "POSTGRESQL_PORT_NUMBER", "PGBOUNCER_PORT", "LISTEN_PORT")
_PORT_OPTIONS = ("-p", "--port=", "port=")


def is_server(container: Container) -> bool:
    """Whether the container runs a PostgreSQL server, which reads PGPORT and others as its own settings.

    Source: PostgreSQL, "Server Configuration", port: the default is taken from PGPORT
    """
    words = container.words
    told_nothing = not container.entrypoint and (not words or words[0].startswith("-"))
    if told_nothing and _image(container) in SERVERS:
        return True
    return any(shell.basename(command[0]) == "postgres" for command in _started(container))


def server_ports(container: Container) -> frozenset[int]:
    """TCP ports that a server or pooler in the container listens on, declared or not; none when there is neither."""
    if is_server(container):
        return frozenset({PORT, *_told(container)})
    if not container.entrypoint and _image(container) in POOLERS:
        return frozenset({PORT, POOLER_PORT, *_told(container)})
    return frozenset()


def _image(container: Container) -> str:
    return shell.basename(split_image(container.image).repository)


def _started(container: Container) -> Iterator[tuple[str, ...]]:
    """Commands among the words, each of which may be a shell line as well."""
    if not any("postgres" in word for word in container.words):
        return
    yield from ((word,) for word in container.words[:1])
    for word in container.words:
        if " " in word and "postgres" in word:
            yield from (command for command, _ in shell.commands(word, Variables(container).values))


def _told(container: Container) -> Iterator[int]:
    said = [container.env.get(name) or "" for name in _PORT_VARIABLES]
    for before, word in zip(("", *container.words), container.words, strict=False):
        option = next((option for option in _PORT_OPTIONS if word.startswith(option)), "")
        said.append(word.removeprefix(option) if option and word != "-p" else word if before == "-p" else "")
    yield from (int(text) for text in said if text.isascii() and text.isdecimal() and len(text) <= 5)
