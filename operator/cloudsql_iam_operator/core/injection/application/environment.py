"""The variables of the pod's containers: put before what is already there, and never over it."""

from collections.abc import Iterator, Mapping, Sequence

from cloudsql_iam_operator.core.injection.application.containers import elsewhere
from cloudsql_iam_operator.core.injection.application.variables import Group
from cloudsql_iam_operator.core.injection.neighbours import is_server
from cloudsql_iam_operator.core.injection.patch import Add, inserted
from cloudsql_iam_operator.core.injection.pod import Container

DEMANDS_TLS = {"PGSSLMODE": ("require", "verify-ca", "verify-full"), "PGCHANNELBINDING": ("require",)}
"""Settings under which libpq refuses a connection that is not TLS from its own end."""


def operations(containers: Sequence[Container], groups: Sequence[Group], always: Mapping[str, str]) -> list[Add]:
    """Operations that put the variables before a container's own, so that `$(PGHOST)` works there.

    A name that is there already keeps its value. `always` are variables for every container.
    """
    added: list[Add] = []
    for container in containers:
        values = {**always, **_values(container, groups)}
        missing = [{"name": n, "value": v} for n, v in values.items() if n not in container.env]
        added += inserted(("spec", container.place, container.index, "env"), 0, missing, list(container.env))
    return added


def warnings(containers: Sequence[Container], groups: Sequence[Group]) -> Iterator[str]:
    """What the containers say themselves that goes against the variables."""
    for container in containers:
        for group in groups:
            own = () if _is_apart(container, group) else elsewhere(container, group)
            if own:
                yield (
                    f"container {container.name} says where its database is by {', '.join(own)}: it gets no variables "
                    "of the proxy; take that out where the proxy is meant"
                )
        yield from _kept(container, _values(container, groups))
        yield from _refusing(container, groups)


def shadowed(containers: Sequence[Container], groups: Sequence[Group]) -> Iterator[str]:
    """Containers whose envFrom may hold the same names, which explicit variables win over."""
    names = [container.name for container in containers if container.env_from and _values(container, groups)]
    if names:
        what = "PG* variables" if any(group.libpq for group in groups) else "variables"
        yield f"{what} of the proxy win over those from envFrom in {', '.join(names)}"


def _values(container: Container, groups: Sequence[Group]) -> dict[str, str]:
    """Variables that the container gets, or has from an earlier time."""
    fitting = (group for group in groups if not _is_apart(container, group) and not elsewhere(container, group))
    return {name: value for group in fitting for name, value in group.values.items()}


def _is_apart(container: Container, group: Group) -> bool:
    """Whether the container would take the variables for its own settings: a server reads PGPORT as its port."""
    return group.libpq and is_server(container)


def _kept(container: Container, values: Mapping[str, str]) -> Iterator[str]:
    own = sorted(n for n, v in values.items() if n in container.env and container.env[n] != v)
    if own:
        yield f"container {container.name} keeps its own {', '.join(own)}; it may not reach the database that way"


def _refusing(container: Container, groups: Sequence[Group]) -> Iterator[str]:
    """Settings from the time of a direct connection, which a connection through the proxy cannot fulfil."""
    if not any(group.libpq and not elsewhere(container, group) for group in groups):
        return
    own = [f"{name}={container.env[name]}" for name, values in DEMANDS_TLS.items() if container.env.get(name) in values]
    if own:
        yield f"container {container.name} demands TLS by {', '.join(own)}, which ends in the proxy: take that out"
