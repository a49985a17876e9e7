"""A project's policy for the objects of one instance, which are written as its identity."""

from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef
from cloudsql_iam_operator.core.iam.removals import Waiting
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, Policies, PolicyWant


@dataclass(frozen=True, slots=True)
class PolicyShare:
    """A project's policy as one instance's identity reads and writes it: the lane for that identity's objects."""

    lane: PolicyLane
    policies: Policies

    @property
    def principals(self) -> int | None:
        """Principals in the policy by occurrence, as last seen."""
        return self.lane.principals

    @property
    def orphans(self) -> frozenset[BindingRef] | None:
        """Bindings under a title of ours that no object wants, as last seen."""
        return self.lane.orphans

    @property
    def signed(self) -> frozenset[Binding]:
        """Bindings under a title of ours or of another cluster's operator, as last seen."""
        return self.lane.signed

    def waiting(self, instance: str) -> Waiting:
        """As the lane's."""
        return self.lane.waiting(instance)

    def consent_used(self, instance: str) -> str:
        """As the lane's."""
        return self.lane.consent_used(instance)

    async def bind(self, key: Key, want: PolicyWant, *, max_age: float = 0.0) -> BindingsAnswer:
        """As the lane's."""
        return await self.lane.bind(key, replace(want, policies=self.policies), max_age=max_age)

    async def release(self, key: Key, owned: frozenset[BindingRef]) -> None:
        """As the lane's."""
        await self.lane.release(key, owned, self.policies)

    def forget(self, key: Key) -> None:
        """As the lane's."""
        self.lane.forget(key)
