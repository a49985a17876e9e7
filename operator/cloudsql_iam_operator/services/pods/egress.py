"""How the proxies of each CloudSQLIAMUser get out, as the last round of NetworkPolicies has found it."""

from collections.abc import Callable, Iterable, Mapping

from cloudsql_iam_operator.api.names import USER, Key
from cloudsql_iam_operator.api.user import CloudSQLIAMUser, KubernetesServiceAccount
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.status import ConditionType, Finding
from cloudsql_iam_operator.services.pods.networks import Told
from cloudsql_iam_operator.services.runtime.registry import Live, Registry

TYPE = ConditionType.NETWORK_POLICY_READY


class Egress:
    """Belongs to the event loop. `wake` is called with each user about whom something else was found."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: Mapping[Key, str] | None = None
        self.wake: Callable[[Key], None] = lambda key: None

    def learn(self, told: Iterable[Told]) -> None:
        """What a round has found: nothing more is asked for by anybody else."""
        found: dict[Key, str] = {}
        for one in told:
            for key in self._users(one):
                found[key] = max(found.get(key, ""), one.sentence)
        before, self._found = self._found, found
        for key in {*found, *(before or {})}:
            if (before or {}).get(key) != found.get(key):
                self.wake(key)

    def findings(self, live: Live) -> tuple[Finding, ...]:
        """What to say of a user: nothing when no workload asks; before the first round, what its status says."""
        if self._found is None:
            return tuple(_stored(live))
        if live.key not in self._found:
            return ()
        refused = self._found[live.key]
        if refused:
            return (Finding(TYPE, Reason.NETWORK_POLICY_REFUSED, refused),)
        return (Finding(TYPE, Reason.SUCCEEDED, "the workloads that ask for a NetworkPolicy have theirs"),)

    def _users(self, told: Told) -> Iterable[Key]:
        who = told.who
        if who.users:
            return [Key(USER.name, who.namespace, name) for name in who.users]
        return [
            live.key
            for live in self._registry.of_kind(USER.name)
            if live.key.namespace == who.namespace and _is_for(live, who.account)
        ]


def _is_for(live: Live, account: str) -> bool:
    principal = live.spec.principal if isinstance(live.spec, CloudSQLIAMUser) else None
    return isinstance(principal, KubernetesServiceAccount) and principal.name == account


def _stored(live: Live) -> Iterable[Finding]:
    for condition in live.status.get("conditions", ()):
        if condition["type"] == TYPE:
            reasons = (Reason.NETWORK_POLICY_REFUSED, Reason.SUCCEEDED)
            reason = next((one for one in reasons if str(one) == condition["reason"]), None)
            if reason is not None:
                yield Finding(TYPE, reason, condition["message"])
