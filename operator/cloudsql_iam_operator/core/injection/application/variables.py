"""Which variables say where the database is, by the mode that the pod chose. Who gets them is decided elsewhere."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloudsql_iam_operator.api.injection.access import INJECT, Way
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.application import ENV, ENV_PREFIX, Environment
from cloudsql_iam_operator.core.injection.targets import Target

LOOPBACK = "127.0.0.1"
"""An address, as `localhost` may mean ::1 where nobody listens."""

SOCKET_PORT = 5432
"""Part of a PostgreSQL socket's name."""


_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


@dataclass(frozen=True, slots=True)
class Group:
    """Variables that mean something together: a container has all of them, or none.

    `libpq`: they are those that libpq and most drivers read, beside which a URL of the container's own counts too.
    `place` are the names among them that say where the database is.
    """

    values: Mapping[str, str]
    place: frozenset[str]
    libpq: bool = False


def groups(wishes: Wishes, targets: Sequence[Target]) -> tuple[Group, ...]:
    """The variables for these targets, whose ports are chosen; sets without a member are left out."""
    if wishes[INJECT].way is Way.CONNECTOR:
        found = tuple(_for_connector(target, prefix) for target, prefix in _prefixed(wishes, targets, ""))
    else:
        found = tuple(_of_mode(_mode(wishes, targets), wishes, targets))
    return tuple(group for group in found if group.values)


def _mode(wishes: Wishes, targets: Sequence[Target]) -> Environment:
    said = wishes[ENV] or (Environment.PREFIX if ENV_PREFIX in wishes else None)
    return said or (Environment.PG if len(targets) == 1 else Environment.PREFIX)


def _of_mode(mode: Environment, wishes: Wishes, targets: Sequence[Target]) -> Iterator[Group]:
    match mode:
        case Environment.PG:
            yield _libpq(targets[0])
        case Environment.PREFIX:
            yield from (_prefix(target, prefix) for target, prefix in _prefixed(wishes, targets, "DB_"))
        case Environment.URL:
            yield from (_url(target, prefix) for target, prefix in _prefixed(wishes, targets, ""))
        case Environment.NONE:
            return


def _prefixed(wishes: Wishes, targets: Sequence[Target], usual: str) -> Iterator[tuple[Target, str]]:
    """Each target with how its variables begin: by its own name when there are several."""
    if len(targets) == 1:
        yield targets[0], wishes[ENV_PREFIX] or usual
        return
    for target in targets:
        yield target, f"{wishes[ENV_PREFIX]}{_capitals(target.key)}_"


def _capitals(key: str) -> str:
    name = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in key).upper()
    return f"_{name}" if name[:1].isdecimal() else name


def _libpq(target: Target) -> Group:
    """PGSSLMODE is left alone: libpq logs in through the proxy without it, and it would reach other servers too.

    Source: PostgreSQL, libpq, "Environment Variables"
    """
    values = (
        ("PGHOST", _host(target)),
        ("PGPORT", str(_port(target))),
        ("PGUSER", target.username),
        ("PGDATABASE", target.database),
    )
    return Group({name: value for name, value in values if value}, frozenset({"PGHOST", "PGPORT"}), libpq=True)


def _prefix(target: Target, prefix: str) -> Group:
    values = {
        "HOST": _host(target),
        "PORT": str(_port(target)),
        "USER": target.username,
        "NAME": target.database,
        "SSLMODE": "disable",
        "INSTANCE": target.connection,
    }
    place = frozenset(f"{prefix}{name}" for name in ("HOST", "PORT"))
    return Group({f"{prefix}{name}": value for name, value in values.items() if value}, place)


def _url(target: Target, prefix: str) -> Group:
    """TLS is named, as some drivers demand it unless they are told; it ends in the proxy."""
    user = f"{_quoted(target.username)}@" if target.username else ""
    database = _quoted(target.database)
    if target.socket:
        url = f"postgresql://{user}/{database}?host={_quoted(target.directory)}"
    else:
        url = f"postgresql://{user}{LOOPBACK}:{target.port}/{database}?sslmode=disable"
    name = f"{prefix}DATABASE_URL"
    return Group({name: url}, frozenset({name}))


def _for_connector(target: Target, prefix: str) -> Group:
    values = {
        "INSTANCE_CONNECTION_NAME": target.connection,
        "DB_IAM_USER": target.username,
        "DB_NAME": target.database,
        "DB_IP_TYPE": str(target.address),
    }
    place = frozenset({f"{prefix}INSTANCE_CONNECTION_NAME"})
    return Group({f"{prefix}{name}": value for name, value in values.items() if value}, place)


def _host(target: Target) -> str:
    return target.directory if target.socket else LOOPBACK


def _port(target: Target) -> int | None:
    return SOCKET_PORT if target.socket else target.port


def _quoted(text: str) -> str:
    """The text as a part of a URL: an address has an @ of its own.

    Source: RFC 3986, section 2.1
    """
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
