"""Who has a privilege from those it is to be taken from: PostgreSQL refuses to take it, and does not say who."""

from cloudsql_iam_operator.core.grants.changes.statements import PrivilegeStatement, Statement
from cloudsql_iam_operator.core.grants.desired.privileges import BITS
from cloudsql_iam_operator.core.grants.observed.snapshot import Snapshot

SHOWN = 10
"""How many are named."""


def passed_on(statement: Statement, snapshot: Snapshot) -> str:
    """Words about those to whom the grantees of a REVOKE passed on what it takes; "" when there are none."""
    if not isinstance(statement, PrivilegeStatement) or statement.give:
        return ""
    names = snapshot.role_names()
    losers = {role.oid for name, role in snapshot.roles.items() if name in statement.grantees}
    mask = sum(BITS[privilege] for privilege in statement.privileges)
    found = {
        f"{names.get(role, role)} has it from {names.get(holding.grantor, holding.grantor)}"
        for group in snapshot.groups
        if group.kind is statement.kind
        for role, holdings in group.acl.items()
        for holding in holdings
        if holding.grantor in losers and holding.grantor != group.owner and holding.mask & mask
    }
    if not found:
        return ""
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"; {', '.join(sorted(found)[:SHOWN])}{more}: that is to be revoked first"
