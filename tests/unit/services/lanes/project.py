"""A project's policy and its neighbourhood, for the policy lane to work on."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict, PolicyRejected
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.iam.bindings import Binding, BindingRef, Condition
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.iam.removals import Consent, Loser
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import BindingsAnswer, PolicyNeighbours, PolicyWant
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

LOGIN = "roles/cloudsql.instanceUser"
UNSUPPORTED = "roles/no.suchRole"
ON_ORDERS = (
    "resource.name == 'projects/acme-prod/instances/orders' && resource.type == 'sqladmin.googleapis.com/Instance'"
)
SIGNED = Condition("cloudsql-iam-operator/orders", "", ON_ORDERS)
LATER = Condition(SIGNED.title, "", f"{ON_ORDERS} && request.time < timestamp('2027-01-01T00:00:00Z')")
FOREIGN = {"role": "roles/viewer", "members": ["user:owner@acme.com"]}


@dataclass
class Project:
    """A policy that remembers how often it was read and written, and refuses members when told to."""

    document: dict[str, Any] = field(default_factory=lambda: {"etag": "0", "bindings": [FOREIGN]})
    reads: int = 0
    writes: int = 0
    absent: frozenset[str] = frozenset()
    tells_names: bool = True
    reason: Reason | None = Reason.PRINCIPAL_NOT_FOUND
    culprit_stored: bool = False
    denied: str = ""
    longest: int = 1500
    lose_answer: bool = False
    before_write: list[Callable[["Project"], None]] = field(default_factory=list)

    def get_policy(self, project: str) -> Policy:
        self.reads += 1
        return Policy(json.loads(json.dumps(self.document)))

    def set_policy(self, project: str, policy: Policy) -> Policy:
        if self.before_write:
            self.before_write.pop(0)(self)
        if policy.document["etag"] != self.document["etag"]:
            raise PolicyConflict
        self.writes += 1
        self._judge(policy)
        self.document = {**json.loads(json.dumps(policy.document)), "etag": f"ours-{self.writes}"}
        if self.lose_answer:
            self.lose_answer = False
            raise NotYet(Reason.UNEXPECTED_ANSWER, "its answer was lost")
        return Policy(self.document)

    def _judge(self, policy: Policy) -> None:
        changed = set(policy.bindings) ^ set(Policy(self.document).bindings)
        if any(binding.role == self.denied for binding in changed):
            raise NotYet(Reason.IAM_PERMISSION_DENIED, f"{self.denied} is not the operator's to give")
        if policy.principals > self.longest:
            raise Refused(Reason.IAM_POLICY_FULL, "larger than the maximum allowed size")
        if self.culprit_stored:
            raise PolicyRejected("", "One or more users do not belong to a permitted customer.", None)
        for binding in policy.bindings:
            if binding.role == UNSUPPORTED:
                raise PolicyRejected(UNSUPPORTED.lower(), f"Role {UNSUPPORTED} is not supported for this resource.")
            if binding.member in self.absent:
                culprit = binding.member.partition(":")[2] if self.tells_names else ""
                raise PolicyRejected(culprit, f"User {culprit or '?'} does not exist.", self.reason)

    @property
    def members(self) -> set[str]:
        return {binding.member for binding in Policy(self.document).bindings}


@dataclass
class Neighbourhood:
    """What the registry would say, and what is told to it."""

    claims: Mapping[Key, frozenset[BindingRef]] = field(default_factory=dict)
    listed: bool = True
    asked: bool = True
    limit: int | None = None
    consents: dict[str, Consent] = field(default_factory=dict)
    unrecorded: dict[Key, Failure] = field(default_factory=dict)
    announced: list[dict[Key, frozenset[BindingRef]]] = field(default_factory=list)
    at_record: Callable[[], None] = lambda: None
    told: list[Key] = field(default_factory=list)

    def neighbours(self) -> PolicyNeighbours:
        async def announce(announced: Mapping[Key, frozenset[BindingRef]]) -> Mapping[Key, Failure]:
            self.announced.append(dict(announced))
            self.at_record()
            return self.unrecorded

        return PolicyNeighbours(
            lambda: self.claims,
            lambda: self.listed,
            lambda key: Loser(self.asked, "orders", self.limit),
            lambda: self.consents,
            announce,
            self.told.append,
        )


def key(number: int, namespace: str = "orders") -> Key:
    return Key("CloudSQLIAMUser", namespace, f"user-{number}")


def member(number: int) -> str:
    return f"user:u{number}@acme.com"


def want(number: int, *, condition: Condition | None = None) -> PolicyWant:
    return PolicyWant(frozenset({Binding(LOGIN, member(number), condition)}))


def run(
    story: Callable[[PolicyLane], Awaitable[None]], project: Project, neighbourhood: Neighbourhood | None = None
) -> None:
    async def told() -> None:
        threads = Threads(2)
        lane = PolicyLane(
            "acme-prod",
            project,
            threads,
            (neighbourhood or Neighbourhood()).neighbours(),
            Pace(quiet=0.01, longest=0.1),
        )
        try:
            await story(lane)
        finally:
            threads.close()

    asyncio.run(told())


async def outcomes(lane: PolicyLane, numbers: range) -> list[BindingsAnswer | BaseException]:
    """What each of these objects got, its failure included."""
    return await asyncio.gather(*(lane.bind(key(n), want(n)) for n in numbers), return_exceptions=True)
