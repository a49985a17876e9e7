"""Which containers are to reach the database, and which of them know another one already."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice, pairwise

from cloudsql_iam_operator.api.injection.application import CONTAINERS
from cloudsql_iam_operator.api.injection.values import Containers
from cloudsql_iam_operator.core.injection.application.customs import holds_a_string, hosts_without_port
from cloudsql_iam_operator.core.injection.application.placeholders import OURS, filled
from cloudsql_iam_operator.core.injection.application.strings import (
    DEFAULT_PORT,
    LOCAL,
    Server,
    may_name_servers,
    server_of_uri,
    servers_named,
)
from cloudsql_iam_operator.core.injection.application.variables import LOOPBACK, Group
from cloudsql_iam_operator.core.injection.neighbours.meshes import SIDECARS
from cloudsql_iam_operator.core.injection.neighbours.recognition import recognised, works
from cloudsql_iam_operator.core.injection.neighbours.variables import Variables
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.pod import Container, Pod
from cloudsql_iam_operator.core.injection.shelf import kept

LIBPQ_PLACES = ("PGHOSTADDR", "PGSERVICE", "PGSERVICEFILE")
"""Variables of libpq that name a server, and that injection never sets."""

OUR_HOST, OUR_PORT = ("$(PGHOST", "$PGHOST"), ("$(PGPORT", "$PGPORT")
"""How host and port are left to the variables of ours: by the kubelet, by a framework or shell."""

URI_NAMES = ("DATA_SOURCE_URI",)
"""Variables of exporters that hold the host, the port and the database, without a scheme."""

CLIENTS = frozenset({"psql", "pg_dump", "pg_dumpall", "pg_restore", "pg_isready", "pgbench", "pg_basebackup"})
"""Programs whose option -h is a server."""

_PUNCTUATION = "\"';&|()`"
"""Of a shell, around a word."""

_ENDS = str.maketrans(";&|", "   ")
"""Of a command in a shell line, as blanks."""

ARGUMENTS = "its arguments"

MOST_COMPARED = 20
"""Containers of a pod whose names are compared with one that may be a typing error."""


def selected(wanted: Containers, pod: Pod, ours: str) -> tuple[Container, ...]:
    """Containers that are to reach the database, init containers first; `ours` is the name of the proxy's.

    Names that are left out need not exist yet: another webhook may add them later. All means all but known sidecars
    and proxies of others; a container that runs the application as well counts as that.

    Raises:
        Refusal: a name that no container has.
    """
    candidates = [container for container in (*pod.init, *pod.main) if container.name != ours]
    known = {container.name for container in candidates} if wanted.names else set()
    wrong = [name for name in wanted.names if name not in known]
    if wrong:
        has = ", ".join(sorted(known))
        raise Refusal(
            Code.ANNOTATION, f"{CONTAINERS} names {', '.join(wrong)}, which the pod does not have; it has {has}"
        )
    if wanted.every:
        left_out = SIDECARS.union(wanted.excluded) if wanted.excluded else SIDECARS
        reached = [each for each in candidates if each.name not in left_out]
        return tuple([each for each in reached if not recognised(each) or works(each)])
    return tuple(container for container in candidates if container.name in wanted.names)


def excluded_warnings(wanted: Containers, pod: Pod) -> Iterator[str]:
    """Names that are left out and that are probably typing errors."""
    if not wanted.excluded:
        return
    known = dict.fromkeys(container.name for container in pod.containers)
    unknown = [name for name in wanted.excluded if name not in known]
    others = [name for name in islice(known, MOST_COMPARED) if name not in wanted.excluded]
    for name in unknown[:MOST_COMPARED]:
        near = get_close_matches(name, others, n=1, cutoff=0.8)
        if near:
            yield f"{CONTAINERS} leaves out {name}, which the pod does not have: did you mean {near[0]}?"


def elsewhere(container: Container, group: Group) -> tuple[str, ...]:
    """Variables of the container that say where its database is, and that it is another one; sorted.

    Such a container gets none of the group: half of ours and half of its own lead nowhere, or to the wrong server.
    """
    env = variables(container)
    own = [name for name in group.place if name in env and not is_same(env[name], group.values.get(name))]
    if container.words and any(_assigns_another(line, container, group) for line in _lines(container)):
        own.append(ARGUMENTS)
    if group.libpq:
        own += _libpq_elsewhere(container, group)
    return tuple(sorted(set(own))) if own else ()


def variables(container: Container) -> Mapping[str, str | None]:
    """The container's own, with what others of them say put in."""
    return kept(container, _variables)


def _variables(container: Container) -> Mapping[str, str | None]:
    env = container.env
    if "$(" not in _literals(env):
        return env
    known = Variables(container)
    return {name: value if value is None else known.expanded(value) for name, value in env.items()}


def servers_of(container: Container) -> Mapping[str, tuple[Server, ...]]:
    """The servers of connection strings among the container's variables, by the variable; those without left out."""
    return kept(container, _servers_of)


def _servers_of(container: Container) -> Mapping[str, tuple[Server, ...]]:
    env = variables(container)
    if not may_name_servers(_literals(env)):
        return {}
    found = ((name, tuple(servers_named(filled(value, env)))) for name, value in env.items() if value)
    return {name: servers for name, servers in found if servers}


def _literals(env: Mapping[str, str | None]) -> str:
    """All values, a line each: one search tells whether any of them holds a word."""
    return "\n".join(filter(None, env.values()))


def is_same(own: str | None, ours: str | None) -> bool:
    """Whether the values lead to the same place: `localhost` is where a proxy of the pod listens too."""
    return own == ours or (ours == LOOPBACK and own is not None and own.lower() in LOCAL)


def _libpq_elsewhere(container: Container, group: Group) -> Iterator[str]:
    env, port = variables(container), group.values["PGPORT"]
    if port != DEFAULT_PORT:
        yield from hosts_without_port(env)  # whoever names no port means that of everybody
    yield from (name for name in LIBPQ_PLACES if name in env)
    if None in env.values():
        yield from (name for name, value in env.items() if value is None and holds_a_string(name))
    for name in URI_NAMES:
        uri = env.get(name)
        if uri is not None and _is_another((server_of_uri(filled(uri, env)),), port):
            yield name
    for name, servers in servers_of(container).items():
        if name not in URI_NAMES and _is_another(servers, port):
            yield name
    if container.words and any(_leads_elsewhere(filled(line, env), port) for line in _lines(container)):
        yield ARGUMENTS


def _leads_elsewhere(line: str, port: str) -> bool:
    return _is_another(servers_named(line), port) or _calls_a_server(line)


def _assigns_another(line: str, container: Container, group: Group) -> bool:
    """Whether a shell, or `env`, sets a variable that says where the database is: it wins over what the pod says."""
    places = (*group.place, *LIBPQ_PLACES) if group.libpq else group.place
    if not any(f"{name}=" in line for name in places):
        return False
    env = variables(container)
    words = filled(line, env).translate(_ENDS).split()
    assigned = (word.strip(_PUNCTUATION).partition("=") for word in words)
    found = ((name, value.strip(_PUNCTUATION)) for name, equals, value in assigned if equals and name in places)
    return any(not _is_ours(value, group.values.get(name), env) for name, value in found)


def _is_ours(value: str, ours: str | None, env: Mapping[str, str | None]) -> bool:
    """Whether an assigned value is that of ours: by a variable of ours, or of the container, or in so many words."""
    if value.startswith("$"):
        name = value.lstrip("$({").rstrip(")}")
        return name in OURS or (name in env and is_same(env[name], ours))
    return is_same(value, ours)


def _lines(container: Container) -> Iterator[str]:
    """Command and arguments as one line, and those that are lines of a shell themselves."""
    yield " ".join(container.words)
    yield from (word for word in container.words if " " in word)


def _is_another(servers: Iterable[Server], port: str) -> bool:
    """Whether one of the servers of connection strings does not listen on this port of the pod."""
    return not all(server.host.startswith(OUR_HOST) or _is_here(server, port) for server in servers)


def _is_here(server: Server, port: str) -> bool:
    return server.is_on(LOCAL, port) or (server.port.startswith(OUR_PORT) and server.is_on(LOCAL, server.port))


def _calls_a_server(line: str) -> bool:
    """Whether a client of PostgreSQL is told another host than this one; what a variable says cannot be seen."""
    words = line.split()
    if not any(word.rpartition("/")[2] in CLIENTS for word in words):
        return False
    hosts = [after for word, after in pairwise(words) if word in ("-h", "--host")]
    hosts += [word.partition("=")[2] for word in words if word.startswith(("--host=", "host="))]
    hosts += [word[2:] for word in words if word.startswith("-h") and len(word) > 2]
    bare = (host.strip(_PUNCTUATION) for host in hosts)
    return any(not host.startswith("$") and host not in LOCAL for host in bare)
