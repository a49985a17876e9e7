"""Objects about an account that the operator itself works as: none is let in, and nothing of the account is taken back.

One may have been let in before it was the operator's, or before that was refused: what it records stays as it is.
"""

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.core.access.own_accounts import OwnAccounts
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal
from cloudsql_iam_operator.core.users.record import UserRecord
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit


class Own:
    """Tells which visits are about the operator's own accounts."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def require_another(self, visit: Visit, instance: CloudSQLInstance, who: ResolvedPrincipal) -> None:
        """Return when the principal is none of the operator's accounts.

        Raises:
            Refused: it is one.
            NotYet: it is not known which these are.
        """
        (await self._accounts(visit, instance)).refuse(who.email, who.username)

    async def has(self, visit: Visit, instance: CloudSQLInstance) -> bool:
        """Whether what is recorded is the operator's own account's.

        Raises:
            NotYet: it is not known which these are.
        """
        record = visit.record
        return bool((await self._accounts(visit, instance)).why(record.email, record.username))

    def leave(self, visit: Visit) -> None:
        """Forget what is recorded of the operator's own account, which keeps all of it."""
        record, visit.record = visit.record, UserRecord(admission=visit.record.admission)
        self._systems.abandon(visit.live.key, record.instance, record.username)
        text = f"the operator works as {record.email}: its IAM bindings, database user {record.username} and roles stay"
        visit.layers.warn("UserLeft", text)

    async def _accounts(self, visit: Visit, instance: CloudSQLInstance) -> OwnAccounts:
        if visit.own is None:
            visit.own = await self._systems.own_accounts(instance)
        return visit.own
