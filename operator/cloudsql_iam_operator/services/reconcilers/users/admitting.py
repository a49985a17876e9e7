"""Whether what a CloudSQLIAMUser declares is let in: by the instance's rules, and not when it is the operator's own."""

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.user import CloudSQLIAMUser
from cloudsql_iam_operator.core.access.rules import Allowed
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal
from cloudsql_iam_operator.services.reconcilers.principal import Principals
from cloudsql_iam_operator.services.reconcilers.users.own import Own
from cloudsql_iam_operator.services.reconcilers.users.owned import known_heir
from cloudsql_iam_operator.services.reconcilers.users.visit import Declared, Visit


class Admitting:
    """Lets declared users in."""

    def __init__(self, principals: Principals, own: Own) -> None:
        self._principals = principals
        self._own = own

    async def let_in(self, visit: Visit, spec: CloudSQLIAMUser, instance: CloudSQLInstance) -> Declared:
        """The user with all its names, and by which rule it is let in.

        Raises:
            Blocked: it is not.
        """
        await visit.layers.hold(ConditionType.ACCESS_ALLOWED, self._principals.may_ask(spec, instance))
        who = await visit.layers.hold(
            ConditionType.PRINCIPAL_RESOLVED, self._principals.resolved(spec), "the principal has a Google account"
        )
        asked = self._allowed(visit, spec, instance, who)
        allowed = await visit.layers.hold(ConditionType.ACCESS_ALLOWED, asked, "an access rule allows it")
        if spec.reassign_owned_to:
            await visit.layers.hold(ConditionType.READY, known_heir(spec, instance, allowed))
        return Declared(spec, instance, who, allowed)

    async def _allowed(
        self, visit: Visit, spec: CloudSQLIAMUser, instance: CloudSQLInstance, who: ResolvedPrincipal
    ) -> Allowed:
        allowed = await self._principals.allowed(spec, instance, who, visit.record.admission)
        await self._own.require_another(visit, instance, who)
        return allowed
