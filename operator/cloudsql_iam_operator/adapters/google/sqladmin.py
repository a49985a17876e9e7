"""Instances and their database users through the Cloud SQL Admin API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudsql_iam_operator.adapters.google.client import API, Answered, Caller, Errand
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.operations import Patience, settled
from cloudsql_iam_operator.adapters.google.sqladmin_errors import IAMRolesMissing, verdict
from cloudsql_iam_operator.api.instance import ConnectionName
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
            NotYet: there is no such instance, or the operator may not see it.
        """
        errand = _errand("instances.get", f"read instance {connection}", "cloudsql.instances.get", connection)
        request = self._api.resources.instances().get(**_place(connection))
        return _facts(self._call(request, errand))

    def users(self, connection: ConnectionName) -> tuple[DatabaseUser, ...]:
        """All users of the instance, sorted by name. One request, unpaged.

        Raises:
            NotYet: the instance is stopped or being changed.
        """
        errand = _errand("users.list", f"list the users of instance {connection}", "cloudsql.users.list", connection)
        answer = self._call(self._users().list(**_place(connection)), errand)
        return tuple(sorted(_user(item) for item in answer.get("items") or ()))

    def insert_user(self, connection: ConnectionName, user: NewUser) -> None:
        """Make a user that does not exist, and wait for it. The API would take over one that does: list first.

        Raises:
            Refused: the principal does not exist, or the instance has IAM logins switched off.
            NotYet: another operation runs, or the instance is not ready.
        """
        errand = _writing("users.insert", f"create user {user.name}", "cloudsql.users.create", connection)
        body: dict[str, Any] = {"name": user.name, "type": user.type.value}
        if user.roles:
            body["databaseRoles"] = sorted(user.roles)
        request = self._users().insert(**_place(connection), body=body)
        try:
            self._operate(request, errand, connection)
        except IAMRolesMissing as missing:
            raise self._without_iam_roles(connection, missing) from missing

    def grant_roles(self, connection: ConnectionName, name: str, roles: Iterable[str]) -> None:
        """Give database roles to a user, and wait for it. None is taken away.

        Raises:
            NotYet: a role does not exist, or another operation runs.
        """
        listed = sorted(roles)
        purpose = f"grant {', '.join(listed)} to user {name}"
        errand = _writing("users.update", purpose, "cloudsql.users.update", connection)
        # roles go into the query, a role list in the body is ignored; revokeExistingRoles would also take roles that
        # somebody else granted by SQL, so it is never sent
        request = self._users().update(**_place(connection), name=name, databaseRoles=listed, body={"name": name})
        self._operate(request, errand, connection)

    def delete_user(self, connection: ConnectionName, name: str) -> None:
        """Delete a user, and wait for it. One that does not exist counts as deleted.

        Raises:
            Refused: it owns objects or holds privileges.
            NotYet: another operation runs, or the instance is not ready.
        """
        errand = _writing("users.delete", f"delete user {name}", "cloudsql.users.delete", connection)
        request = self._users().delete(**_place(connection), name=name)
        try:
            self._operate(request, errand, connection)
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

    def _operate(self, request: Any, errand: Errand, connection: ConnectionName) -> None:
        operation = self._call(request, errand)
        poll = _errand("operations.get", f"follow the operation to {errand.purpose}", _GET, connection)

        def polled(name: str) -> Mapping[str, Any]:
            project = connection.project
            request = self._api.resources.operations().get(project=project, operation=name)
            return self._call(request, poll)

        failed = settled(operation, polled, self._patience)
        if failed is not None:
            raise verdict(Answered(200, failed.code, failed.message, None), errand)

    def _call(self, request: Any, errand: Errand) -> Mapping[str, Any]:
        try:
            return self._api.call(request, errand)
        except Answered as answered:
            raise verdict(answered, errand) from answered

    def _users(self) -> Any:
        return self._api.resources.users()


_GET = "cloudsql.instances.get"
_MAYBE_ABSENT = {Reason.INVALID_SPEC, Reason.OPERATION_FAILED, Reason.INSTANCE_NOT_FOUND}


def _place(connection: ConnectionName) -> dict[str, str]:
    return {"project": connection.project, "instance": connection.instance}


def _errand(method: str, purpose: str, permission: str, connection: ConnectionName) -> Errand:
    needed = f"{permission} on project {connection.project}, or on instance {connection.instance} by condition"
    return Errand(method, purpose, needed, Reason.ADMIN_PERMISSION_DENIED)


def _writing(method: str, purpose: str, permission: str, connection: ConnectionName) -> Errand:
    errand = _errand(method, f"{purpose} on instance {connection}", permission, connection)
    return Errand(errand.method, errand.purpose, errand.permission, errand.denied, writes=True)


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
    )
