"""From objects as the API server hands them out to what the planner needs of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from cloudsql_iam_operator.api.grant import DatabaseGrant, GrantMode, UserRef
from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION
from cloudsql_iam_operator.api.parsing.fields import InvalidObject
from cloudsql_iam_operator.api.parsing.grant import parse_grant
from cloudsql_iam_operator.api.parsing.instance import parse_instance
from cloudsql_iam_operator.api.parsing.texts import SERVICE_ACCOUNT
from cloudsql_iam_operator.api.parsing.times import instant_of
from cloudsql_iam_operator.api.parsing.user import parse_user
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, UserMode
from cloudsql_iam_operator.core.injection.facts import InstanceFact, Login, ServiceAccountFact, UserFact
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType

_OWN_WORK = (str(Reason.DATABASE_NOT_FOUND), str(Reason.ROLE_NOT_FOUND), str(Reason.SUSPENDED))
"""Why a grant may wait for the very pod that would wait for it: a migration makes the database or the role."""

_LAYERS = (ConditionType.IAM_BOUND, ConditionType.USER_READY)
"""Conditions that make a login work, whatever else is amiss."""

_UNTOLD = frozenset(
    str(reason)
    for reason in (
        Reason.SUSPENDED,
        Reason.INSTANCE_SUSPENDED,
        Reason.PROGRESSING_WITH_RETRY,
        Reason.OPERATION_IN_PROGRESS,
        Reason.QUOTA_EXCEEDED,
        Reason.GOOGLE_UNREACHABLE,
        Reason.UNEXPECTED_ANSWER,
        Reason.CREDENTIALS_FAILED,
        Reason.IAM_CONFLICT,
    )
)
"""Why a user was not looked at, which says nothing about its login: what was made goes on to work."""

_EDITED = "its latest edit was not looked at yet"


@dataclass(frozen=True, slots=True)
class SeenUser:
    """A CloudSQLIAMUser: what it declares, and what its status says about logging in.

    `acts_at` is when its latest change of IAM acts everywhere, in the past too; None when there was none.
    """

    spec: CloudSQLIAMUser
    member: str
    username: str
    login: Login
    problem: str
    roles_due: bool
    acts_at: datetime | None


@dataclass(frozen=True, slots=True)
class SeenGrant:
    """A DatabaseGrant: what it declares, and whether nobody has looked at the database for it as it stands now."""

    spec: DatabaseGrant
    unseen: bool


S = TypeVar("S", SeenUser, SeenGrant)
Spec = TypeVar("Spec", CloudSQLIAMUser, DatabaseGrant)


def service_account(body: Mapping[str, Any]) -> ServiceAccountFact:
    """A ServiceAccount and the Google account that it acts as; one whose annotation is no account's acts as none."""
    annotations = body["metadata"].get("annotations") or {}
    account = (annotations.get(WORKLOAD_IDENTITY_ANNOTATION) or "").strip()
    return ServiceAccountFact(body["metadata"]["name"], "" if SERVICE_ACCOUNT.problem(account) else account.lower())


def instance(body: Mapping[str, Any]) -> InstanceFact | None:
    """A CloudSQLInstance; None when it cannot be read."""
    try:
        parsed = parse_instance(body)
    except InvalidObject:
        return None
    has = (body.get("status") or {}).get("ipTypes") or ()
    return InstanceFact(parsed.metadata.key.name, str(parsed.connection), parsed.admin.database.ip_type, tuple(has))


def user(body: Mapping[str, Any]) -> SeenUser | None:
    """A CloudSQLIAMUser; None when it cannot be read."""
    try:
        spec = _lasting(parse_user(body))
    except InvalidObject:
        return None
    status = body.get("status") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    current = status.get("observedGeneration") == spec.metadata.generation
    login = _login(conditions, status)
    lasting = login in (Login.STALLED, Login.EXPIRED)
    return SeenUser(
        spec=spec,
        member=status.get("member", ""),
        username=status.get("username", ""),
        login=Login.WAITS if lasting and not current else login,
        problem=_EDITED if lasting and not current else _sentence(conditions.get(ConditionType.READY)),
        roles_due=_roles_due(spec, conditions, status),
        acts_at=instant_of((status.get("iam") or {}).get("propagationUntil")),
    )


def grant(body: Mapping[str, Any]) -> SeenGrant | None:
    """A DatabaseGrant; None when it cannot be read, or was refused as it stands now and holds nothing."""
    status = body.get("status") or {}
    if _refused(status, body["metadata"].get("generation")):
        return None
    try:
        spec = _lasting(parse_grant(body))
    except InvalidObject:
        return None
    return SeenGrant(spec, unseen=_unseen(spec, status))


def by_name(seen: Iterable[S | None]) -> Mapping[str, S]:
    """Users, or grants, of one namespace by their names; those that cannot be read are left out."""
    return {one.spec.metadata.key.name: one for one in seen if one is not None}


def fact(seen: SeenUser, on: InstanceFact | None, grants: Iterable[SeenGrant], now: datetime) -> UserFact:
    """All about one user, together with its instance and the grants of its namespace."""
    spec, name = seen.spec, seen.spec.metadata.key.name
    given = [g for g in grants if UserRef(name) in g.spec.grantees and not g.spec.metadata.deleting]
    return UserFact(
        name=name,
        generation=spec.metadata.generation,
        principal=spec.principal,
        deleting=spec.metadata.deleting,
        member=seen.member,
        username=seen.username,
        login=seen.login,
        problem=seen.problem,
        instance_name=spec.instance,
        instance=on,
        databases=tuple(sorted({g.spec.database for g in given})),
        unseen=tuple(sorted(g.spec.metadata.key.name for g in given if g.unseen)),
        roles_due=seen.roles_due,
        acts_at=seen.acts_at if seen.acts_at is not None and seen.acts_at > now else None,
    )


def _lasting(spec: Spec) -> Spec:
    """The object without its version, which alone is no news."""
    return replace(spec, metadata=replace(spec.metadata, resource_version=""))


def _unseen(spec: DatabaseGrant, status: Mapping[str, Any]) -> bool:
    """Whether the grant is on its way: it will be carried out, and no pass has looked at its database for it yet."""
    if spec.mode is GrantMode.PLAN or spec.suspend:
        return False
    if status.get("observedGeneration") != spec.metadata.generation:
        return True
    if status.get("observed") is not None:
        return False
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    stalled = conditions.get(ConditionType.STALLED, {}).get("status") == "True"
    return not stalled and conditions.get(ConditionType.READY, {}).get("reason") not in _OWN_WORK


def _refused(status: Mapping[str, Any], generation: int | None) -> bool:
    """Whether a grant is stalled and holds nothing; one that was edited since counts as declared, as a new one does."""
    if status.get("applied") or status.get("observedGeneration") != generation:
        return False
    conditions = status.get("conditions") or ()
    return any(c["type"] == ConditionType.STALLED and c["status"] == "True" for c in conditions)


def _login(conditions: Mapping[str, Mapping[str, Any]], status: Mapping[str, Any]) -> Login:
    def holds(type_: ConditionType) -> bool:
        return conditions.get(type_, {}).get("status") == "True"

    reason = conditions.get(ConditionType.READY, {}).get("reason")
    if reason == str(Reason.EXPIRED):
        return Login.EXPIRED
    if reason == str(Reason.OBSERVING) and holds(ConditionType.DRIFTED):
        return Login.OBSERVED
    if holds(ConditionType.READY) or all(holds(layer) for layer in _LAYERS):
        return Login.WORKS
    if reason in _UNTOLD and _worked(status):
        return Login.WORKS
    return Login.STALLED if holds(ConditionType.STALLED) else Login.WAITS


def _worked(status: Mapping[str, Any]) -> bool:
    """Whether database user and bindings were there at an earlier look; what is only about to be bound has no time."""
    iam = status.get("iam") or {}
    others = any(not binding.get("added") for binding in iam.get("bindings") or ())
    there = bool(status.get("created") or status.get("adopted")) and not status.get("withdrawn")
    return there and (others or "propagationUntil" in iam)


def _roles_due(spec: CloudSQLIAMUser, conditions: Mapping[str, Mapping[str, Any]], status: Mapping[str, Any]) -> bool:
    """Whether database roles are on their way; not where one is waited for that the pod itself may be about to make."""
    given = conditions.get(ConditionType.GRANTS_APPLIED, {})
    if spec.suspend or spec.mode is UserMode.OBSERVE:
        return False
    if set(spec.database_roles) <= set(status.get("databaseRoles") or ()):
        return False
    if given.get("observedGeneration") != spec.metadata.generation:
        return True
    return given.get("status") != "True" and given.get("reason") not in _OWN_WORK


def _sentence(ready: Mapping[str, Any] | None) -> str:
    return f"{ready.get('reason', '')}: {ready.get('message', '')}" if ready else ""
