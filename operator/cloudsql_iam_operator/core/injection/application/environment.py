"""The variables of the pod's containers: put before what is already there, and never over it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from cloudsql_iam_operator.api.injection.application import CONTAINERS, ENV
from cloudsql_iam_operator.core.injection.application.containers import elsewhere, is_same, servers_of, variables
from cloudsql_iam_operator.core.injection.application.strings import LOCAL, demands_tls
from cloudsql_iam_operator.core.injection.application.variables import Group
from cloudsql_iam_operator.core.injection.neighbours.servers import is_server
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.patch import Add, inserted
from cloudsql_iam_operator.core.injection.pod import MOST_ADDED, Container
from cloudsql_iam_operator.core.injection.shelf import kept

DEMANDS_TLS = {
    "PGSSLMODE": ("require", "verify-ca", "verify-full", "no-verify"),
    "PGCHANNELBINDING": ("require",),
    "PGREQUIRESSL": ("1",),
    "PGSSLNEGOTIATION": ("direct",),
    "PGGSSENCMODE": ("require",),
}
"""Settings under which libpq, or node-postgres, refuses a connection that is not encrypted from its own end."""

MOST_NAMES = 4
MOST_SHARED = 8
"""Variables that are made once for all containers which lack the same."""


@dataclass(frozen=True, slots=True)
class Fit:
    """What one container gets: `values` are its variables, or those that it has from an earlier time.

    `warnings` are what the container says itself that goes against them.
    """

    container: Container
    values: Mapping[str, str]
    warnings: tuple[str, ...]


def fits(containers: Sequence[Container], groups: Sequence[Group]) -> tuple[Fit, ...]:
    """What each of the containers gets.

    Raises:
        Refusal: all together get more than an object can hold.
    """
    known = tuple(groups)
    added = len(containers) * sum([len(group.values) for group in known])
    if added > MOST_ADDED:
        raise Refusal(
            Code.POD_SHAPE,
            f"{len(containers)} containers would get {added} variables together, and {MOST_ADDED} are the most: "
            f"name those that need them in {CONTAINERS}, or set {ENV} to none",
        )
    return tuple(kept(container, _fit, known) for container in containers)


def operations(found: Sequence[Fit], always: Mapping[str, str]) -> list[Add]:
    """Operations that put the variables before a container's own, so that `$(PGHOST)` works there.

    A name that is there already keeps its value. `always` are variables for every container.
    """
    return [operation for fit in found for operation in kept(fit.container, _operations, fit.values, always)]


def warnings(found: Sequence[Fit]) -> Iterator[str]:
    """What the containers say themselves that goes against the variables."""
    return (warning for fit in found for warning in fit.warnings)


def _few(names: Sequence[str]) -> str:
    """The names as a warning lists them, which the API server cuts when it is long."""
    more = len(names) - MOST_NAMES
    return ", ".join(names[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")


def shadowed(found: Sequence[Fit]) -> Iterator[str]:
    """Containers whose envFrom may hold the same names, which explicit variables win over."""
    names = [fit.container.name for fit in found if fit.container.env_from and fit.values]
    if names:
        what = "PG* variables" if any("PGHOST" in fit.values for fit in found) else "variables"
        yield f"{what} of the proxy win over those from envFrom in {', '.join(names)}"


def _operations(container: Container, values: Mapping[str, str], always: Mapping[str, str]) -> Sequence[Add]:
    wanted = {**always, **values} if always else values
    missing = tuple([(name, value) for name, value in wanted.items() if name not in container.env])
    make = _shared if len(missing) <= MOST_SHARED else _added
    return make(container.place, container.index, missing, after=bool(container.env))


def _added(place: str, index: int, missing: tuple[tuple[str, str], ...], *, after: bool) -> Sequence[Add]:
    """The same for all containers there that lack the same; `after`: variables of their own follow."""
    values = [{"name": name, "value": value} for name, value in missing]
    return inserted(("spec", place, index, "env"), 0, values, [None] if after else None)


_shared = lru_cache(maxsize=512)(_added)


def _fit(container: Container, groups: Sequence[Group]) -> Fit:
    values: dict[str, str] = {}
    own: list[tuple[str, ...]] = []
    demands: tuple[str, ...] = ()
    for group in groups:
        if group.libpq and is_server(container):
            continue  # it would take PGPORT for its own port
        own.append(elsewhere(container, group))
        if not own[-1]:
            values |= group.values
            demands += tuple(_demands(container, group)) if group.libpq else ()
    return Fit(container, values, tuple(_warnings(container, values, own, demands)))


def _warnings(
    container: Container, values: Mapping[str, str], elsewhere: Sequence[Sequence[str]], demands: Sequence[str]
) -> Iterator[str]:
    """`elsewhere` are variables by which the container says that its database is another one, for each group in turn.

    `demands` are settings of its own under which a connection through the proxy fails.
    """
    for names in filter(None, elsewhere):
        yield (
            f"container {container.name} says where its database is by {_few(names)}: it gets no variables "
            "of the proxy; take that out where the proxy is meant"
        )
    own = variables(container)
    stays = sorted([n for n, v in values.items() if n in own and not is_same(own[n], v)])
    if stays:
        yield f"container {container.name} keeps its own {_few(stays)}; it may not reach the database that way"
    if demands:
        yield f"container {container.name} demands TLS by {_few(demands)}, which ends in the proxy: take that out"


def _demands(container: Container, group: Group) -> Iterator[str]:
    """Settings from the time of a direct connection, which a connection through the proxy cannot fulfil.

    Of a connection string only the variable's name is told.
    """
    for name, values in DEMANDS_TLS.items():
        if container.env.get(name) in values:
            yield f"{name}={container.env[name]}"
    port = group.values["PGPORT"]
    for name, servers in servers_of(container).items():
        if any(server.is_on(LOCAL, port) for server in servers) and demands_tls(variables(container)[name] or ""):
            yield name
