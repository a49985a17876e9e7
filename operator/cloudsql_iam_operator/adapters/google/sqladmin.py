"""Instances and their database users through the Cloud SQL Admin API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cloudsql_iam_operator.adapters.google.answers import Answered, Errand, Shape
from cloudsql_iam_operator.adapters.google.client import API, Build, Caller
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.operations import Patience, settled
from cloudsql_iam_operator.adapters.google.shapes import is_instance, is_operation, is_users_list
from cloudsql_iam_operator.adapters.google.sqladmin_errors import IAMRolesMissing, verdict
from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.askers import on_cloud_sql
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.instances import IAM_FLAG, InstanceFacts, require_iam_authentication
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import DatabaseUser
from cloudsql_iam_operator.core.users.principals import UserType

IAM_ROLES_SECONDS = 5.0
"""When to try again while an instance makes its IAM roles, which it does shortly after the flag was set."""


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to make, with database roles that exist."""

    name: str
    type: UserType
    roles: frozenset[str] = frozenset()


class SQLAdmin:
    """Calls to the Admin API as one identity. Safe to share between threads.

    Source: Cloud SQL Admin API v1
    """

    def __init__(self, endpoints: Endpoints, caller: Caller, patience: Patience | None = None) -> None:
        self._api = API("sqladmin", "v1", endpoints.sqladmin, caller)
        self._patience = patience or Patience()

    def instance(self, connection: ConnectionName) -> InstanceFacts:
        """The instance as it stands.

        Raises:
            NotYet: there is no such instance, which INSTANCE_NOT_FOUND alone says, or it could not be read.
        """

        def shape(answer: Mapping[str, Any]) -> bool:
            return is_instance(answer) and answer["name"] == connection.instance

        errand = _errand("instances.get", f"read instance {connection}", shape, connection)
        return _facts(self._call(lambda instances: instances.get(**_place(connection)), errand))

    def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
        """All users of the instance, sorted by name. One request, unpaged.

        Raises:
            NotYet: the instance is stopped or being changed.
        """
        errand = _errand("users.list", f"list the users of instance {connection}", is_users_list, connection)
        answer = self._call(lambda users: users.list(**_place(connection)), errand)
        return tuple(sorted(_user(item) for item in answer.get("items") or ()))

    def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
        """Make a user that does not exist, and wait for it. The API would take over one that does: list first.

        Raises:
            Refused: the principal does not exist, or the instance has IAM logins switched off.
            NotYet: another operation runs, or the instance is not ready.
        """
        errand = _writing("users.insert", f"create user {user.name}", connection)
        body: dict[str, Any] = {"name": user.name, "type": user.type.value}
        if user.roles:
            body["databaseRoles"] = sorted(user.roles)
        try:
            self._operate(lambda users: users.insert(**_place(connection), body=body), errand, connection)
        except IAMRolesMissing as missing:
            raise self._without_iam_roles(connection, missing) from missing

    def grant_roles(self, connection: ConnectionName, name: str, roles: Iterable[str]) -> None:
        """Give database roles to a user, and wait for it. None is taken away.

        Raises:
            NotYet: a role does not exist, or another operation runs.
        """
        listed = sorted(roles)
        self._update(connection, name, f"grant {', '.join(listed)} to user {name}", {"databaseRoles": listed})

    def leave_roles(self, connection: ConnectionName, name: str, roles: Iterable[str]) -> None:
        """Take all roles but these from a user, whoever gave them, and wait for it.

        Name all that it is to keep, as just read: what somebody grants meanwhile is taken too.

        Raises:
            NotYet: a role does not exist, or another operation runs.
        """
        purpose = f"take all roles but {', '.join(sorted(roles)) or 'none'} from user {name}"
        self._update(connection, name, purpose, {"databaseRoles": sorted(roles), "revokeExistingRoles": True})

    def _update(self, connection: ConnectionName, name: str, purpose: str, asked: Mapping[str, Any]) -> None:
        errand = _writing("users.update", purpose, connection)
        # roles go into the query, a role list in the body is ignored
        wanted = {**_place(connection), "name": name, "body": {"name": name}, **asked}
        self._operate(lambda users: users.update(**wanted), errand, connection)

    def delete_user(self, connection: ConnectionName, name: str) -> None:
        """Delete a user, and wait for it. One that does not exist counts as deleted.

        Raises:
            Refused: it owns objects or holds privileges.
            NotYet: another operation runs, or the instance is not ready.
        """
        errand = _writing("users.delete", f"delete user {name}", connection)
        try:
            self._operate(lambda users: users.delete(**_place(connection), name=name), errand, connection)
        except Failure as failure:
            # what the API answers for an absent user is not documented: the list decides
            if failure.reason not in _MAYBE_ABSENT or self._exists(connection, name):
                raise

    def _exists(self, connection: ConnectionName, name: str) -> bool:
        return any(user.name == name for user in self.users(connection))

    def _without_iam_roles(self, connection: ConnectionName, missing: IAMRolesMissing) -> Failure:
        require_iam_authentication(connection, self.instance(connection))
        text = f"instance {connection} has no role {missing.role} yet; it comes shortly after the flag was set"
        return NotYet(Reason.INSTANCE_NOT_READY, text, IAM_ROLES_SECONDS)

    def _operate(self, build: Build, errand: Errand, connection: ConnectionName) -> None:
        operation = self._call(build, errand)
        poll = _errand("operations.get", f"follow the operation to {errand.purpose}", is_operation, connection)

        def polled(name: str) -> Mapping[str, Any]:
            return self._call(lambda operations: operations.get(project=connection.project, operation=name), poll)

        failed = settled(operation, polled, self._patience)
        if failed is not None:
            raise verdict(Answered(200, failed.code, failed.message), errand)

    def _call(self, build: Build, errand: Errand) -> Mapping[str, Any]:
        try:
            return self._api.call(build, errand)
        except Answered as answered:
            raise verdict(answered, errand) from answered


_PERMISSIONS = {
    "instances.get": "cloudsql.instances.get",
    "operations.get": "cloudsql.instances.get",
    "users.list": "cloudsql.users.list",
    "users.insert": "cloudsql.users.create",
    "users.update": "cloudsql.users.update",
    "users.delete": "cloudsql.users.delete",
}
_MAYBE_ABSENT = {Reason.UNEXPECTED_ANSWER, Reason.OPERATION_FAILED, Reason.INSTANCE_NOT_FOUND}


def _place(connection: ConnectionName) -> dict[str, str]:
    return {"project": connection.project, "instance": connection.instance}


def _errand(method: str, purpose: str, shape: Shape, connection: ConnectionName) -> Errand:
    need = on_cloud_sql(_PERMISSIONS[method], connection.project, connection.instance)
    return Errand(method, purpose, need, Reason.ADMIN_PERMISSION_DENIED, shape)


def _writing(method: str, purpose: str, connection: ConnectionName) -> Errand:
    errand = _errand(method, f"{purpose} on instance {connection}", is_operation, connection)
    return replace(errand, writes=True)


def _user(item: Mapping[str, Any]) -> DatabaseUser:
    type_name = item.get("type") or UserType.BUILT_IN.value
    known = UserType(type_name) if type_name in set(UserType) else UserType.UNKNOWN
    return DatabaseUser(str(item.get("name", "")), known, item.get("iamStatus") == "INACTIVE")


def _facts(body: Mapping[str, Any]) -> InstanceFacts:
    settings = body.get("settings") or {}
    flags = {flag.get("name"): flag.get("value") for flag in settings.get("databaseFlags") or ()}
    network = settings.get("ipConfiguration") or {}
    return InstanceFacts(
        state=str(body.get("state", "")),
        stopped=settings.get("activationPolicy") == "NEVER",
        database_version=str(body.get("databaseVersion", "")),
        iam_authentication=str(flags.get(IAM_FLAG, "off")).lower() == "on",
        instance_type=str(body.get("instanceType", "")),
        region=str(body.get("region", "")),
        addresses=frozenset(str(address.get("type", "")) for address in body.get("ipAddresses") or ()),
        hosts=tuple((str(a.get("type", "")), str(a.get("ipAddress", ""))) for a in body.get("ipAddresses") or ()),
        server_ca=str((body.get("serverCaCert") or {}).get("cert", "")),
        ssl_mode=str(network.get("sslMode", "")),
        connector_enforcement=str(settings.get("connectorEnforcement", "")),
        server_ca_mode=str(network.get("serverCaMode", "")),
        dns_names=_dns_names(body),
        psc=network.get("pscConfig", {}).get("pscEnabled") is True,
    )


def _dns_names(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Names of the instance itself; those of its cluster lead to any of its nodes."""
    own = [("", body.get("dnsName") or "")]
    own += [
        (str(each.get("connectionType", "")), str(each.get("name", "")))
        for each in body.get("dnsNames") or ()
        if each.get("dnsScope", "INSTANCE") == "INSTANCE"
    ]
    return tuple((kind, str(name).rstrip(".")) for kind, name in own if name)
