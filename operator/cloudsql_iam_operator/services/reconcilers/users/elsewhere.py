"""A database user that another cluster's operator has: what titles of bindings in the project's policy tell of it."""

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.core.iam.bindings import cluster_of, folded
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import NotOurs
from cloudsql_iam_operator.core.users.plan import Ownership
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyWant
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.reconcilers.users.visit import Visit
from cloudsql_iam_operator.services.runtime.reports import max_age

AGAIN_SECONDS = 60.0
"""How often to look whether another cluster has let go of a user: nothing else tells."""


class ManagedElsewhere(NotOurs):
    """Another cluster's operator has the database user."""


class Elsewhere:
    """What other clusters have of the principal that a visit is about, on the same instance."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems

    async def explained(self, visit: Visit, instance: CloudSQLInstance, refused: NotOurs) -> NotOurs:
        """Why a user that is there already may not be had: in what cluster it is declared, where that can be told."""
        if refused.reason is not Reason.EXTERNAL_RESOURCE_EXISTS:
            return refused
        lane = await self._systems.policy_lane(instance)
        await lane.bind(visit.live.key, PolicyWant(), max_age=max_age(visit.live, visit.interval))
        clusters = await self._clusters(visit, instance)
        if not clusters:
            return refused
        visit.interval = min(visit.interval, AGAIN_SECONDS)
        text = (
            f"database user {visit.record.username} is declared in {clusters}, as its IAM bindings say: delete it "
            "there, or have both use it by adoptionPolicy IfExists where the access rule allows adoption"
        )
        return ManagedElsewhere(Reason.MANAGED_BY_OTHER, text)

    async def left(self, visit: Visit, instance: CloudSQLInstance) -> bool:
        """Whether the user is another cluster's from now on, which lets the principal log in as it too."""
        clusters = await self._clusters(visit, instance)
        if clusters and visit.record.ownership is Ownership.CREATED:
            self._systems.abandon(visit.live.key, visit.record.instance, visit.record.username)
            text = f"database user {visit.record.username} stays, without what it was given here"
            visit.layers.warn("UserLeft", f"{text}: it is declared in {clusters} too")
        return bool(clusters)

    async def _clusters(self, visit: Visit, instance: CloudSQLInstance) -> str:
        lane, member = await self._systems.policy_lane(instance), folded(visit.record.member)
        titles = {one.condition.title for one in lane.signed if one.condition and folded(one.member) == member}
        clusters = {cluster_of(title, instance.connection) for title in titles} - {self._systems.cluster_id}
        told = sorted(cluster for cluster in clusters if cluster is not None)
        return ", ".join(f"cluster {name}" if name else "a cluster without a clusterId" for name in told)
