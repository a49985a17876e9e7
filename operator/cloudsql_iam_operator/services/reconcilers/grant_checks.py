"""What must be so before a grant's entries are known: instance, rules and grantees. Nothing is written here."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from cloudsql_iam_operator.api.grant import DatabaseGrant, GrantDeletion, Grantee, GrantMode
from cloudsql_iam_operator.api.instance import AccessRule, CloudSQLInstance
from cloudsql_iam_operator.api.names import GIVE_UP, USER, Key
from cloudsql_iam_operator.core.access.admission import Admission
from cloudsql_iam_operator.core.access.requests import declared_request
from cloudsql_iam_operator.core.access.rules import Lifetime, allow_grant
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.grants.desired.entries import Entries, entries_of
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger
from cloudsql_iam_operator.core.instances import require_iam_authentication, require_usable
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.reconcilers.grant_status import Named
from cloudsql_iam_operator.services.reconcilers.grantees import NEW_SECONDS, are_new, named
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.objects import instance_named, tenant_of
from cloudsql_iam_operator.services.runtime.registry import Live


class GrantChecks:
    """The layers of a grant, one by one; each raises a Failure when it does not hold."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def instance(self, spec: DatabaseGrant) -> CloudSQLInstance:
        """The instance that the grant names."""
        return instance_named(self._systems.registry, spec.instance)

    async def allowed(
        self, spec: DatabaseGrant, instance: CloudSQLInstance, admission: Admission | None = None
    ) -> AccessRule:
        """The access rule that lets the grant in; nobody outside is asked before there is one."""
        tenant = await tenant_of(self._systems.cluster, self._systems.threads, spec.metadata.key.namespace)
        lifetime = Lifetime(spec.expires_at, datetime.now(UTC), admission.since if admission else None)
        request = declared_request(spec, instance, tenant, lifetime)
        allowed = allow_grant(instance.access, request)
        operator = await self._systems.own_username(instance)
        if request.roles:  # nothing else is about who the operator is
            allowed = allow_grant(instance.access, replace(request, operator=operator))
        return next(rule for rule in instance.access if rule.name == allowed.rule)

    async def serving(self, instance: CloudSQLInstance) -> None:
        """Return when the instance is a running PostgreSQL."""
        facts = await self._systems.facts(instance)
        require_usable(instance.connection, facts)
        if instance.admin.database.secret is None:  # then the operator itself logs in by IAM
            require_iam_authentication(instance.connection, facts)

    async def grantees(self, spec: DatabaseGrant, ledger: Ledger) -> Named:
        """The roles of the grantees; where none has one and nothing is recorded, the database is not asked.

        Raises:
            NotYet: there is nobody to grant to.
        """
        found = named(spec, self._systems.registry, ledger)
        if found.missing and not found.roles and not ledger:
            text = "; ".join(problem.message for problem in found.missing)
            if are_new(spec, self._systems.registry):
                raise NotYet(found.missing[0].reason, text, NEW_SECONDS, passing=True)
            raise NotYet(found.missing[0].reason, text)
        if found.missing and ledger and await self._systems.kind_is_going(USER):
            text = "the definition of CloudSQLIAMUser is being deleted; what its objects hold is left as it is"
            raise NotYet(Reason.USER_NOT_READY, text)
        return found

    async def entries(self, spec: DatabaseGrant, roles: Mapping[Grantee, str]) -> Entries:
        """What the grant declares; nothing once it has expired."""
        return Entries() if expired(spec) else entries_of(spec, roles)


def expired(spec: DatabaseGrant) -> bool:
    """Whether the declared end has come."""
    return spec.expires_at is not None and spec.expires_at <= datetime.now(UTC)


def only_planned(spec: DatabaseGrant) -> bool:
    """Whether an approval is needed: for whatever mode Plan gives, but not for the declared end of it."""
    return spec.mode is GrantMode.PLAN and not expired(spec)


def declared_end(live: Live) -> datetime | None:
    """The end that the object declares, which counts at once when it is the earlier one; None without one."""
    return live.spec.expires_at if isinstance(live.spec, DatabaseGrant) else None


def goes_on(live: Live) -> bool:
    """Whether the object declares something for after an end that has come."""
    return isinstance(live.spec, DatabaseGrant) and not live.spec.suspend and not expired(live.spec)


def asks_to_retain(live: Live) -> bool:
    """Whether the object wants what it granted left in force when it is deleted."""
    retained = isinstance(live.spec, DatabaseGrant) and live.spec.deletion_policy is GrantDeletion.RETAIN
    return retained or gave_up(live)


def gave_up(live: Live) -> bool:
    """Whether somebody gave its deletion up, by annotation."""
    return live.annotations.get(GIVE_UP) == "true"


def way_out(key: Key) -> str:
    """What helps whatever holds a deletion up."""
    command = f"kubectl annotate dbg {key.name} -n {key.namespace} {GIVE_UP}=true"
    return f"; where an access rule has allowRetain, to leave in force what was granted: {command}"
