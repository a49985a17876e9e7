"""Annotations about what the application's containers get, and where the proxy listens for them."""

from enum import StrEnum

from cloudsql_iam_operator.api.injection.annotation import Annotation, Line
from cloudsql_iam_operator.api.injection.values import (
    Containers,
    containers_named,
    directory,
    port_number,
    variable_prefix,
    word_of,
)


class Environment(StrEnum):
    """Which variables the containers get."""

    PG = "pg"
    PREFIX = "prefix"
    URL = "url"
    NONE = "none"


CONTAINERS: Annotation[Containers] = Annotation(
    "containers",
    containers_named,
    Containers(every=True),
    Line(
        "`web,worker`, `*`, `!metrics`",
        "`*`",
        "Which containers get the variables and the socket. `*` leaves out known sidecars; `!name` may name a "
        "container that another webhook adds later.",
    ),
)
ENV: Annotation[Environment | None] = Annotation(
    "env",
    word_of(Environment),
    None,
    Line(
        "`pg`, `prefix`, `url`, `none`",
        "`pg`; `prefix` for several instances",
        "Which variables: `PGHOST`, `PGPORT`, `PGUSER` and `PGDATABASE`; `DB_HOST` and so on; `DATABASE_URL`; or none.",
    ),
    namespaced=True,
)
ENV_PREFIX: Annotation[str] = Annotation(
    "env-prefix",
    variable_prefix,
    "",
    Line(
        "`[A-Z_][A-Z0-9_]*`, not `PG`",
        "`DB_`; the user's name in capitals for several",
        "How the variables of `env: prefix` and of `inject: env` begin.",
    ),
)
PORT: Annotation[int | None] = Annotation(
    "port",
    port_number,
    None,
    Line(
        "1024 to 65535",
        "`5432`; the next free one when the pod has it taken",
        "Where the proxy listens on 127.0.0.1; further instances on the next ports.",
    ),
)
UNIX_SOCKET: Annotation[str] = Annotation(
    "unix-socket",
    directory,
    "",
    Line(
        "an absolute directory, none of the system's such as `/etc` or `/run`",
        "TCP on 127.0.0.1",
        "Sockets there instead of TCP ports, in a volume that only the chosen containers have.",
    ),
)

APPLICATION: tuple[Annotation[object], ...] = (CONTAINERS, ENV, ENV_PREFIX, PORT, UNIX_SOCKET)  # type: ignore[assignment]
