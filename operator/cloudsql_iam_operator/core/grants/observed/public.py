"""What may not be taken from PUBLIC: the operator's own way into the database."""

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.object_kinds import ALL
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Snapshot

SHUT_OUT = (
    "the operator itself may connect to the database only because everybody may: "
    "grant CONNECT on it to the operator's database user first, then it is taken from PUBLIC"
)


def shuts_out_the_operator(entry: Entry, snapshot: Snapshot) -> bool:
    """Whether the operator could not connect any more once PUBLIC lost what the entry names."""
    if entry.kind is not ObjectKind.DATABASE or not {"CONNECT", ALL}.intersection(entry.privileges):
        return False
    return not any(_lets_in(group, snapshot) for group in snapshot.groups if group.kind is ObjectKind.DATABASE)


def _lets_in(group: AclGroup, snapshot: Snapshot) -> bool:
    server = snapshot.server
    own = {server.session_role}
    if server.current_role == server.session_role:
        own |= {role.oid for role in snapshot.roles.values() if role.inherited}
    powerful = any(role.superuser for role in snapshot.roles.values() if role.oid == server.session_role)
    return powerful or group.owner in own or any(group.held(role) & BITS["CONNECT"] for role in own)
