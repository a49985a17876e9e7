"""What an emulated Google Cloud consists of at its start, as records and as the JSON file of the command line."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cloudsql_emulator.iam.policies import Document

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
    PostgreSQL; `settings` go into the Admin API's `settings` as they are.
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
    custom_roles: tuple[CustomRole, ...] = ()
    instances: tuple[Instance, ...] = ()
    api: Listen = field(default_factory=Listen)
    metadata: Metadata | None = None
    control: Listen = field(default_factory=Listen)
    switches: Mapping[str, Any] = field(default_factory=dict)


def load_config(path: Path) -> Config:
    """The configuration in a JSON file, whose keys are the fields of the records here.

    Raises:
        TypeError, KeyError: a key is unknown or one is missing.
    """
    return parse_config(json.loads(path.read_text()))


def parse_config(told: Mapping[str, Any]) -> Config:
    """The configuration in a JSON object."""
    return Config(
        **{
            **told,
            "projects": _each(Project, told["projects"]),
            "users": tuple(told.get("users", ())),
            "groups": tuple(_group(each) for each in told.get("groups", ())),
            "service_accounts": _each(ServiceAccount, told.get("service_accounts", ())),
            "custom_roles": tuple(_custom_role(each) for each in told.get("custom_roles", ())),
            "instances": tuple(_instance(each) for each in told.get("instances", ())),
            "api": Listen(**told.get("api", {})),
            "metadata": _metadata(told["metadata"]) if told.get("metadata") else None,
            "control": Listen(**told.get("control", {})),
        }
    )


def to_json(config: Config) -> dict[str, Any]:
    """The JSON object that describes a configuration; keep its file to its owner, it holds passwords."""
    return asdict(config)


def _each(record: Any, told: Any) -> tuple[Any, ...]:
    return tuple(record(**each) for each in told)


def _group(told: Mapping[str, Any]) -> Group:
    return Group(told["email"], tuple(told.get("members", ())))


def _custom_role(told: Mapping[str, Any]) -> CustomRole:
    return CustomRole(told["name"], tuple(told["permissions"]))


def _instance(told: Mapping[str, Any]) -> Instance:
    return Instance(
        **{
            **told,
            "roles": tuple(told.get("roles", ())),
            "databases": _each(Database, told.get("databases", ())),
            "scripts": _each(Script, told.get("scripts", ())),
            "users": tuple(
                DatabaseUser(**{**each, "roles": tuple(each.get("roles", ()))}) for each in told.get("users", ())
            ),
        }
    )


def _metadata(told: Mapping[str, Any]) -> Metadata:
    return Metadata(**{**told, "listen": Listen(**told.get("listen", {}))})
