"""The roles of a grant's grantees, as far as they are known and let in."""

from collections.abc import Mapping
from enum import Enum

from cloudsql_iam_operator.api.grant import DatabaseGrant, Grantee, UserRef
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.core.errors import NotYet, Refused
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.core.users.principals import is_cut
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.grant_status import Named
from cloudsql_iam_operator.services.runtime.registry import Live, Registry

NEW_SECONDS = 60.0
"""When a grant that waits for its new users looks again by itself. Mostly they wake it before."""


class Admission(Enum):
    """Whether a CloudSQLIAMUser may hold privileges: yes, no, or not known at the moment."""

    LET_IN = "let in"
    SHUT_OUT = "shut out"
    UNKNOWN = "unknown"


def named(spec: DatabaseGrant, registry: Registry, ledger: Ledger) -> Named:
    """The role of each grantee that has one.

    Raises:
        NotYet: it is not known at the moment whether a user that holds privileges may keep them: nothing is changed.
        Refused: two of them are different accounts with the same cut name: nothing is changed.
    """
    users = {g: registry.user(spec.metadata.key.namespace, g.name) for g in spec.grantees if isinstance(g, UserRef)}
    records = {grantee: live.record if live is not None else UserRecord() for grantee, live in users.items()}
    _require_own_names(records)
    roles: dict[Grantee, str] = {}
    cut: set[str] = set()
    missing: list[Problem] = []
    for grantee in spec.grantees:
        if not isinstance(grantee, UserRef):
            roles[grantee] = grantee.name
            continue
        live, record = users[grantee], records[grantee]
        username, admission = record.username, _admission(live)
        if admission is Admission.LET_IN and _is_its_own(record) and _is_there(record, spec, registry):
            roles[grantee] = username
            cut |= {username} if is_cut(record.member) else set()
            continue
        problem = _problem(Key(USER.name, spec.metadata.key.namespace, grantee.name), live)
        if admission is Admission.UNKNOWN and any(username in entry.roles for entry in ledger):
            raise NotYet(problem.reason, f"{problem.message}; what it holds is left as it is")
        missing.append(problem)
    return Named(roles, tuple(missing), frozenset(cut))


def _is_its_own(record: UserRecord) -> bool:
    """Whether the user's name is its account's: a cut name may be another's, unless the user was made for this one."""
    return not is_cut(record.member) or record.ownership is Ownership.CREATED


def _is_there(record: UserRecord, spec: DatabaseGrant, registry: Registry) -> bool:
    """Whether the user is one of the grant's instance: on another, its name may be somebody else's."""
    instance = registry.instance(spec.instance)
    where = instance.spec.connection if instance and isinstance(instance.spec, CloudSQLInstance) else None
    return bool(record.username) and record.instance == str(where)


def _require_own_names(records: Mapping[UserRef, UserRecord]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for grantee, record in records.items():
        name, member = seen.setdefault(record.username, (grantee.name, record.member))
        if member != record.member and (is_cut(member) or is_cut(record.member)):
            text = f"grantees {name} and {grantee.name} are {member} and {record.member}, both to be database user"
            raise Refused(Reason.INVALID_SPEC, f"{text} {record.username}; use an account with a shorter name for one")


def _admission(live: Live | None) -> Admission:
    """A user with no database user of its own is shut out; what one that is not ready holds is left as it is."""
    if shut_out(live):
        return Admission.SHUT_OUT
    return Admission.LET_IN if live is not None and live.ready else Admission.UNKNOWN


def are_new(spec: DatabaseGrant, registry: Registry) -> bool:
    """Whether the users among the grantees are there, and it is told of none how it stands.

    The first word about one of them wakes the grant, however large the wave is that they come in.
    """
    users = [registry.user(spec.metadata.key.namespace, g.name) for g in spec.grantees if isinstance(g, UserRef)]
    return bool(users) and all(live is not None and not live.told for live in users)


def shut_out(user: Live | None) -> bool:
    """Whether a CloudSQLIAMUser may hold nothing: it is gone or going, has no user of its own, or is withdrawn."""
    return user is None or user.deleting or not user.record.serves


def _problem(key: Key, live: Live | None) -> Problem:
    if live is None:
        return Problem(Reason.USER_NOT_READY, f"there is no {key}: create it, or take it out of spec.grantees")
    if live.deleting:
        return Problem(Reason.USER_NOT_READY, f"{key} is being deleted")
    return Problem(Reason.USER_NOT_READY, f"{key} is not ready: see its status")
