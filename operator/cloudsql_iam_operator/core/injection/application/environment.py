"""The PG* variables of the pod's containers: which, in which containers, and beside what is already there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.application import CONTAINERS
from cloudsql_iam_operator.api.injection.values import Containers
from cloudsql_iam_operator.core.injection.neighbours import SIDECARS
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.patch import Add, inserted
from cloudsql_iam_operator.core.injection.pod import Container, Pod
from cloudsql_iam_operator.core.injection.sidecar.container import LOOPBACK, NAME

ENVIRONMENT_NAMES = ("PGHOST", "PGPORT", "PGUSER", "PGDATABASE", "PGSSLMODE")


@dataclass(frozen=True, slots=True)
class Target:
    """Where and as whom an application connects; `database` is "" when the application has to know."""

    port: int
    username: str
    database: str


def variables(target: Target) -> Mapping[str, str]:
    """Variables that libpq and most PostgreSQL drivers read.

    PGHOST is an address, as `localhost` may mean ::1 where nobody listens. TLS ends in the proxy.
    Source: PostgreSQL, libpq, "Environment Variables"
    """
    values = (LOOPBACK, str(target.port), target.username, target.database, "disable")
    return {name: value for name, value in zip(ENVIRONMENT_NAMES, values, strict=True) if value}


def selected(wanted: Containers, pod: Pod) -> tuple[Container, ...]:
    """Containers that get the variables, init containers first.

    Raises:
        Refusal: a name that no container has.
    """
    candidates = [c for c in pod.containers if c.name != NAME]
    known = {c.name for c in candidates}
    wrong = [name for name in (*wanted.names, *wanted.excluded) if name not in known]
    if wrong:
        has = ", ".join(sorted(known))
        raise Refusal(
            Code.ANNOTATION, f"{CONTAINERS} names {', '.join(wrong)}, which the pod does not have; it has {has}"
        )
    if wanted.every:
        left_out = SIDECARS | set(wanted.excluded)
        return tuple(c for c in candidates if c.name not in left_out)
    return tuple(c for c in candidates if c.name in wanted.names)


def operations(containers: Sequence[Container], values: Mapping[str, str]) -> list[Add]:
    """Operations that put the variables before a container's own, so that `$(PGHOST)` works there.

    A name that is there already keeps its value.
    """
    added: list[Add] = []
    for container in containers:
        missing = [{"name": n, "value": v} for n, v in values.items() if n not in container.env]
        existing = list(container.env)
        added += inserted(("spec", container.place, container.index, "env"), 0, missing, existing)
    return added


def warnings(containers: Sequence[Container], values: Mapping[str, str]) -> Iterator[str]:
    """What the containers say themselves that goes against the variables."""
    for container in containers:
        own = sorted(n for n, v in values.items() if n in container.env and container.env[n] != v)
        if own:
            yield f"container {container.name} keeps its own {', '.join(own)}; it may not reach the database that way"


def shadowed(containers: Sequence[Container]) -> Iterator[str]:
    """Containers whose envFrom may hold the same names, which explicit variables win over."""
    names = [c.name for c in containers if c.env_from]
    if names:
        yield f"PG* variables of the proxy win over those from envFrom in {', '.join(names)}"
