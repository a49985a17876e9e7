"""Fields that the schema has and this release does not act on: refused by name, never ignored."""

from collections.abc import Iterator
from typing import assert_never

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, OwnedObjects, UserMode, WorkforceIdentity
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason


def require_implemented(spec: CloudSQLInstance | CloudSQLIAMUser | DatabaseGrant) -> None:
    """Return when every field that is set has behaviour.

    Raises:
        Refused: some have none yet; the message names them.
    """
    match spec:
        case CloudSQLInstance():
            fields = list(_instance(spec))
        case CloudSQLIAMUser():
            fields = list(_user(spec))
        case DatabaseGrant():
            fields = list(_grant(spec))
        case _:
            assert_never(spec)
    if fields:
        text = f"this release does not act on {', '.join(fields)}: leave it out, or use a newer release"
        raise Refused(Reason.NOT_IMPLEMENTED, text)


def _instance(spec: CloudSQLInstance) -> Iterator[str]:
    yield from ()


def _user(spec: CloudSQLIAMUser) -> Iterator[str]:
    if isinstance(spec.principal, WorkforceIdentity):
        yield "spec.principal.workforceIdentity"
    if spec.database_roles:
        yield "spec.databaseRoles"
    if spec.on_owned_objects is not OwnedObjects.BLOCK:
        yield f"spec.onOwnedObjects: {spec.on_owned_objects}"
    if spec.mode is UserMode.OBSERVE:
        yield "spec.mode: Observe"


def _grant(spec: DatabaseGrant) -> Iterator[str]:
    yield from ()
