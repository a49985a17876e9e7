"""What an emulated Google Cloud consists of at its start, as records and as the JSON file of the command line."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from cloudsql_emulator.iam.policies import Document
from cloudsql_emulator.iam.spans import Propagation

R = TypeVar("R")

IAM_FLAG = "cloudsql.iam_authentication"


@dataclass(frozen=True, slots=True)
class Listen:
    """An address to listen on; port 0 takes a free one. With a certificate and key (files in PEM) it is https."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Project:
    """A project; `policy` is its IAM policy, kept as written."""

    id: str
    number: str
    policy: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A service account and the IAM policy on it."""

    email: str
    policy: Document = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A group and its members, as IAM members; groups may hold groups."""

    email: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of a workload identity pool; tokens must name `audience`, or without one the provider itself."""

    project: str
    pool: str
    name: str
    issuer: str
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A custom role, `projects/P/roles/ID`."""

    name: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatabaseUser:
    """A user that an instance has from the start; `password` is for BUILT_IN ones."""

    name: str
    type: str = "BUILT_IN"
    password: str | None = None
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Database:
    """A database that an instance has from the start."""

    name: str
    owner: str = "cloudsqlsuperuser"


@dataclass(frozen=True, slots=True)
class Script:
    """SQL that is run in a database under a role, once; what it makes belongs to that role."""

    database: str
    sql: str
    role: str = "cloudsqlsuperuser"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance. `roles` are NOLOGIN roles made by cloudsqlsuperuser, before databases, then scripts, then users.

    Without an address the first free one of 127.0.2.0/24 is taken. `postgres_directory` names the programs of another
    PostgreSQL; `settings` go into the Admin API's `settings` as they are, and its ipConfiguration decides about kinds
    of address, Private Service Connect and the server's authority. `replica_of` names the primary in the project; the
    replica has a PostgreSQL of its own, to which nothing is replicated.
    """

    project: str
    region: str
    name: str
    address: str | None = None
    flags: Mapping[str, str] = field(default_factory=lambda: {IAM_FLAG: "on"})
    settings: Mapping[str, Any] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    databases: tuple[Database, ...] = ()
    scripts: tuple[Script, ...] = ()
    users: tuple[DatabaseUser, ...] = ()
    database_version: str | None = None
    replica_of: str | None = None
    postgres_directory: str | None = None
    log_statements: bool = False


@dataclass(frozen=True, slots=True)
class Metadata:
    """A metadata server, and who is told to be whom.

    With a kubeconfig it asks the cluster, as on GKE; else `by_address` and then `default` name service accounts.
    """

    project: str
    listen: Listen = field(default_factory=Listen)
    default: str | None = None
    by_address: Mapping[str, str] = field(default_factory=dict)
    kubeconfig: str | None = None
    zone: str = "europe-west1-b"
    cluster: str = "emulated"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything; `api` serves all of Google's host names, `control` the emulator's own switches."""

    projects: tuple[Project, ...]
    users: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    providers: tuple[Provider, ...] = ()
    custom_roles: tuple[CustomRole, ...] = ()
    instances: tuple[Instance, ...] = ()
    api: Listen = field(default_factory=Listen)
    metadata: Metadata | None = None
    control: Listen = field(default_factory=Listen)
    propagation: Propagation = field(default_factory=Propagation)
    switches: Mapping[str, Any] = field(default_factory=dict)


class BadConfig(ValueError):
    """A configuration that cannot be read; the text names the field and what is wrong with it, never a value."""


def load_config(path: Path) -> Config:
    """The configuration in a JSON file, whose keys are the fields of the records here.

    Raises:
        BadConfig: the file is not there or no JSON, or a key is unknown, missing or of a wrong type.
    """
    try:
        return parse_config(json.loads(path.read_text()))
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror}: name a file that can be read") from error
    except json.JSONDecodeError as error:
        raise BadConfig(f"{path}: no JSON: {error}") from error
    except BadConfig as error:
        raise BadConfig(f"{path}: {error}") from error


def parse_config(told: Any) -> Config:
    """The configuration in a JSON object.

    Raises:
        BadConfig: a key is unknown, missing or of a wrong type.
    """
    return Config(
        **{
            **_checked(Config, told, ""),
            "projects": _each(Project, told, "projects"),
            "users": tuple(told.get("users", ())),
            "groups": tuple(replace(g, members=tuple(g.members)) for g in _each(Group, told, "groups")),
            "service_accounts": _each(ServiceAccount, told, "service_accounts"),
            "providers": _each(Provider, told, "providers"),
            "custom_roles": tuple(
                replace(role, permissions=tuple(role.permissions)) for role in _each(CustomRole, told, "custom_roles")
            ),
            "instances": tuple(_instance(one, where) for one, where in _listed(told, "instances")),
            "api": _record(Listen, told.get("api", {}), "api"),
            "metadata": _metadata(told["metadata"]) if told.get("metadata") else None,
            "control": _record(Listen, told.get("control", {}), "control"),
            "propagation": _record(Propagation, told.get("propagation", {}), "propagation"),
        }
    )


def to_json(config: Config) -> dict[str, Any]:
    """The JSON object that describes a configuration; keep its file to its owner, it holds passwords."""
    return asdict(config)


def _instance(told: Any, where: str) -> Instance:
    users = _each(DatabaseUser, _checked(Instance, told, where), "users", where)
    return Instance(
        **{
            **told,
            "roles": tuple(told.get("roles", ())),
            "databases": _each(Database, told, "databases", where),
            "scripts": _each(Script, told, "scripts", where),
            "users": tuple(replace(user, roles=tuple(user.roles)) for user in users),
        }
    )


def _metadata(told: Any) -> Metadata:
    checked = _checked(Metadata, told, "metadata")
    return Metadata(**{**checked, "listen": _record(Listen, checked.get("listen", {}), "metadata.listen")})


def _each(record: type[R], told: Mapping[str, Any], key: str, where: str = "") -> tuple[R, ...]:
    return tuple(_record(record, one, place) for one, place in _listed(told, key, where))


def _listed(told: Mapping[str, Any], key: str, where: str = "") -> list[tuple[Any, str]]:
    return [(one, f"{_within(where, key)}[{number}]") for number, one in enumerate(told.get(key, ()))]


def _record(record: type[R], told: Any, where: str) -> R:
    return record(**_checked(record, told, where))


def _checked(record: type, told: Any, where: str) -> Mapping[str, Any]:
    """The object, which has every field that the record needs, no other, and each of a type that fits."""
    if not isinstance(told, Mapping):
        raise BadConfig(f"{where or 'the file'} must be an object, and is of type {type(told).__name__}")
    known = {one.name: one for one in fields(record)}
    for name in sorted(set(told) - set(known)):
        raise BadConfig(f"{_within(where, name)}: no such field; there are {', '.join(known)}")
    for name, one in known.items():
        if name not in told and one.default is MISSING and one.default_factory is MISSING:
            raise BadConfig(f"{_within(where, name)} is missing")
    hints = get_type_hints(record)
    for name, value in told.items():
        wanted = _wanted(hints[name])
        if not isinstance(value, wanted):
            expected = " or ".join(dict.fromkeys(_WORDS[type_] for type_ in wanted if type_ in _WORDS))
            raise BadConfig(f"{_within(where, name)} must be {expected}, and is of type {type(value).__name__}")
    return told


_WORDS = {str: "a string", int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}


def _wanted(hint: Any) -> tuple[type, ...]:
    """Types that fit a field: JSON has lists for tuples and objects for records."""
    if isinstance(hint, UnionType):
        return tuple(type_ for one in get_args(hint) for type_ in _wanted(one))
    origin = get_origin(hint) or hint
    if origin is tuple:
        return (list, tuple)
    if origin is float:
        return (float, int)
    return (origin,) if origin in (str, int, bool, NoneType) else (dict,)


def _within(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
