"""The reconciler of CloudSQLInstances: can it be reached and used, and what stands on it. It writes nothing outside."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from cloudsql_iam_operator.api.grant import DatabaseGrant
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import ALLOW_REMOVALS, INSTANCE
from cloudsql_iam_operator.core.errors import NotYet
from cloudsql_iam_operator.core.iam.bindings import BindingRef, Scope, title_of
from cloudsql_iam_operator.core.iam.policy import PRINCIPALS
from cloudsql_iam_operator.core.instances import (
    InstanceFacts,
    disagreements,
    require_iam_authentication,
    require_usable,
)
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType
from cloudsql_iam_operator.services.lanes.policies.share import PolicyShare
from cloudsql_iam_operator.services.reconcilers.layers import Blocked, Layers
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.objects import lays_claim, readable
from cloudsql_iam_operator.services.runtime.registry import Live
from cloudsql_iam_operator.services.runtime.reports import Report, requested_at

REFERENCES = 5
"""How many names of objects that still refer to an instance a message lists."""

ORPHANS = 10
"""How many bindings that no object wants a status names."""


class Observer(Protocol):
    """Who counts what is found on instances."""

    def orphaned(self, project: str, bindings: int) -> None:
        """So many bindings of a project carry a title of ours, and no object wants them."""
        ...


class InstanceReconciler:
    """What is done for one CloudSQLInstance."""

    def __init__(self, systems: Systems, observer: Observer) -> None:
        self._systems = systems
        self._observer = observer

    async def reconcile(self, live: Live) -> Report:
        """See how the instance stands."""
        layers, fields, interval = Layers(), _kept(live), 300.0
        with suppress(Blocked):
            spec = await layers.hold(ConditionType.READY, _read(live))
            interval = float(spec.interval)
            if spec.suspend:
                layers.note(ConditionType.SUSPENDED, Reason.SUSPENDED, "spec.suspend is true: nothing on it is written")
                return layers.report(fields, interval)
            layers.note(ConditionType.SETTINGS_AGREED, *self._agreement(spec))
            fresh = requested_at(live.body) != live.status.get("lastHandledReconcileAt", "")
            fields |= await self._operator(spec, fields)
            facts = await layers.hold(
                ConditionType.ADMIN_REACHABLE, self._facts(spec, fresh=fresh), "the Cloud SQL Admin API answers"
            )
            fields |= _shown(facts)
            await layers.hold(ConditionType.READY, _usable(spec, facts))
            access = await layers.hold(ConditionType.ADMIN_LOGIN_READY, self._systems.way_in(spec))
            fields |= {"operator": {**fields["operator"], "databaseUser": access.user}}
            fields.pop("removals", None)
            fields |= await layers.hold(ConditionType.READY, self._counts(spec, live))
            await layers.hold(ConditionType.IAM_AUTHENTICATION_ENABLED, _accepting(spec, facts), "IAM users can log in")
            tried = self._systems.admin_login(spec, access, self._databases(spec), fresh=fresh)
            await layers.hold(ConditionType.ADMIN_LOGIN_READY, tried, "logged in, and may act as spec.admin says")
        return layers.report(fields, interval)

    async def remove(self, live: Live) -> Report:
        """Let go once nothing refers to it, so that users can still be taken back through it."""
        layers = Layers()
        with suppress(Blocked):
            await layers.hold(ConditionType.READY, self._unused(live))
        return layers.report(_kept(live), 30.0)

    async def _facts(self, spec: CloudSQLInstance, *, fresh: bool) -> InstanceFacts:
        return await self._systems.facts(spec, fresh=fresh)

    def _agreement(self, spec: CloudSQLInstance) -> tuple[Reason, str]:
        others = [live.spec for live in self._systems.registry.of_kind(INSTANCE.name) if not live.deleting]
        said = disagreements(spec, (other for other in others if isinstance(other, CloudSQLInstance)))
        if not said:
            return Reason.SUCCEEDED, "no other CloudSQLInstance says otherwise"
        more = f"; and {len(said) - REFERENCES} more" if len(said) > REFERENCES else ""
        text = f"{'; '.join(said[:REFERENCES])}{more}: each object's users and grants are served as it says itself"
        return Reason.SETTINGS_DIFFER, text

    async def _operator(self, spec: CloudSQLInstance, before: Mapping[str, Any]) -> dict[str, Any]:
        """As whom the operator works here; the database user stays as it was until a way in shows another."""
        identity, known = await self._systems.operator(spec), before.get("operator", {})
        user = known.get("databaseUser") if known.get("identity", "") == identity else None
        return {"operator": {"identity": identity, **({"databaseUser": user} if user else {})}}

    def _databases(self, spec: CloudSQLInstance) -> set[str]:
        """Databases that grants on the instance name, and that it lets in."""
        admitted = (live for live in self._systems.registry.naming(spec.metadata.key.name) if lays_claim(live))
        return {live.spec.database for live in admitted if isinstance(live.spec, DatabaseGrant)}

    async def _counts(self, spec: CloudSQLInstance, live: Live) -> dict[str, Any]:
        """Users and members, as the lanes saw them last; {} for what no lane has observed."""
        name = spec.metadata.key.name
        ours = {live.record.username for live, _ in self._systems.registry.users_of(name)}
        observed = (await self._systems.users_lane(spec)).observed
        principals = (await self._systems.policy_lane(spec)).principals
        counts: dict[str, Any] = {}
        if observed is not None:
            managed = sum(user.name in ours for user in observed)
            counts["users"] = {"managed": managed, "foreign": len(observed) - managed}
        if principals is not None:
            counts["iamPolicy"] = {"principals": principals, "limit": PRINCIPALS}
        lane = await self._systems.policy_lane(spec)
        return counts | self._orphans(spec, lane.orphans) | _removals(lane, live)

    def _orphans(self, spec: CloudSQLInstance, found: frozenset[BindingRef] | None) -> dict[str, Any]:
        """Bindings that carry the instance's title and that no object wants, and some of them by name."""
        if found is None:
            return {}
        self._observer.orphaned(spec.connection.project, len(found))
        title = title_of(Scope(spec.connection, self._systems.cluster_id))
        mine = sorted(f"{ref.role} for {ref.member}" for ref in found if ref.title == title)
        return {"orphans": {"bindings": len(mine), "sample": mine[:ORPHANS]}}

    async def _unused(self, live: Live) -> None:
        if await self._systems.kind_is_going(INSTANCE):
            return
        registry, name = self._systems.registry, live.key.name
        references = [f"{one.key}" for one in registry.naming(name) if lays_claim(one)]
        if references:
            listed = ", ".join(sorted(references)[:REFERENCES])
            more = f" and {len(references) - REFERENCES} more" if len(references) > REFERENCES else ""
            raise NotYet(Reason.IN_USE, f"CloudSQLInstance {name} is named by {listed}{more}: delete them first", 5.0)


def _removals(lane: PolicyShare, live: Live) -> dict[str, Any]:
    """The removals that wait for a person's consent, and the consent that was used up for as long as it is there."""
    waiting, name = lane.waiting(live.key.name), live.key.name
    given = live.annotations.get(ALLOW_REMOVALS, "")
    told: dict[str, Any] = {}
    if waiting.refs:
        sample = sorted(f"{ref.role} for {ref.member}" for ref in waiting.refs)[:ORPHANS]
        told = {"hash": waiting.hash, "members": waiting.members, "sample": sample}
    used = {lane.consent_used(name), (live.status.get("removals") or {}).get("allowed")} & {given} - {""}
    told |= {"allowed": given} if used else {}
    return {"removals": told} if told else {}


async def _read(live: Live) -> CloudSQLInstance:
    return readable(live, CloudSQLInstance)


async def _usable(spec: CloudSQLInstance, facts: InstanceFacts) -> None:
    require_usable(spec.connection, facts)


async def _accepting(spec: CloudSQLInstance, facts: InstanceFacts) -> None:
    require_iam_authentication(spec.connection, facts)


def _shown(facts: InstanceFacts) -> dict[str, Any]:
    return {
        "databaseVersion": facts.database_version,
        "state": "STOPPED" if facts.stopped else facts.state,
        "iamAuthenticationEnabled": facts.iam_authentication,
        "ipTypes": list(map(str, facts.ip_types)),
    }


def _kept(live: Live) -> dict[str, Any]:
    return {
        name: live.status[name]
        for name in (
            "databaseVersion",
            "state",
            "iamAuthenticationEnabled",
            "ipTypes",
            "users",
            "iamPolicy",
            "orphans",
            "operator",
            "removals",
        )
        if name in live.status
    }
