"""IAM bindings and database users: calls and time of many at once, of a writer one by one beside it, and at rest.

Limits in seconds are for two cores that nobody else uses. `USERS=70` measures fewer.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import google.oauth2.credentials

from benchmarks.figures import Figure
from cloudsql_emulator.config import Config, CustomRole, Instance, Project, ServiceAccount
from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser, SQLAdmin
from cloudsql_iam_operator.api.instance import BindingMode, ConditionMode, ConnectionName, IAMSettings
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.iam.bindings import Binding, Scope, bindings_for
from cloudsql_iam_operator.core.iam.policy import PolicyChange, plan
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyNeighbours, PolicyWant
from cloudsql_iam_operator.services.lanes.user_wants import UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from cloudsql_iam_operator.services.runtime.threads import Threads

USERS = int(os.environ.get("USERS", "700"))
ON_INSTANCES, INSTANCES = USERS * 10 // 7, 10
OPERATION = 0.2
OPERATOR = "serviceAccount:operator@acme-prod.iam.gserviceaccount.com"
ROLE = "projects/acme-prod/roles/cloudsqlIamOperator"
IAM = IAMSettings(
    BindingMode.MEMBER, ("roles/cloudsql.instanceUser", "roles/cloudsql.client"), ConditionMode.PER_INSTANCE
)
PLACES = [ConnectionName("acme-prod", "europe-west1", f"i-{number}") for number in range(INSTANCES)]
ALONE = ConnectionName("acme-prod", "europe-west1", "alone")
"""An instance whose operations are made one after another while nothing else runs."""

INTERVAL = 300.0


def measure() -> Sequence[Figure]:
    """All of it, on one emulator."""
    with Emulator(_config()) as emulator:
        writer = _Writer(emulator)
        figures = [*asyncio.run(_at_once(writer)), *_one_by_one(writer)]
        _say("policies are measured")
        return [*figures, *asyncio.run(_on_instances(writer))]


class _Writer:
    """The operator's adapters on an emulator, and what they called."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        url = emulator.api_url
        endpoints = Endpoints(url, url, url, url)
        make: Any = google.oauth2.credentials.Credentials
        caller = Caller(Identity(make(token=emulator.admin.mint_token(OPERATOR)), "operator", endpoints), lambda: None)
        self.policies = ResourceManager(endpoints, caller)
        self.sqladmin = SQLAdmin(endpoints, caller)
        self.before = emulator.admin.policy("projects/acme-prod")

    def calls(self, since: int, service: str, *, writes: bool = False) -> int:
        """Calls of a service since then; with `writes` those that changed something."""
        journal = self.emulator.admin.journal(since=since, kind="api", caller=OPERATOR)
        return sum(one.method.startswith(service) and (one.write or not writes) for one in journal)

    def reset(self) -> None:
        """Have the policy as it was."""
        self.emulator.admin.set_policy("projects/acme-prod", {**self.before, "etag": ""})


async def _at_once(writer: _Writer) -> Sequence[Figure]:
    threads, wants = Threads(16), [_bindings(number, PLACES[0]) for number in range(USERS)]
    lane = PolicyLane("acme-prod", writer.policies, threads, PolicyNeighbours(dict, lambda: True))
    since, began = writer.emulator.admin.position(), time.monotonic()
    await asyncio.gather(*(lane.bind(_key(n), PolicyWant(want), max_age=INTERVAL) for n, want in enumerate(wants)))
    seconds = time.monotonic() - began
    calls = writer.calls(since, "cloudresourcemanager")
    since, processor = writer.emulator.admin.position(), time.thread_time()
    owned = [frozenset(binding.ref for binding in want) for want in wants]
    asked = (PolicyWant(want, refs) for want, refs in zip(wants, owned, strict=True))
    await asyncio.gather(*(lane.bind(_key(n), want, max_age=INTERVAL / 2) for n, want in enumerate(asked)))
    held = time.thread_time() - processor
    threads.close()
    return [
        Figure(f"Resource Manager calls for {USERS} users with 2 roles at once", calls, "calls", 6),
        Figure("seconds for that", seconds, "s"),
        Figure("getIamPolicy of one interval at rest", writer.calls(since, "cloudresourcemanager"), "calls", 1),
        Figure("what it takes of the event loop", held * 1000, "ms", 50),
        Figure("policy writes of it", writer.calls(since, "cloudresourcemanager", writes=True), "writes", 0),
    ]


def _one_by_one(writer: _Writer) -> Sequence[Figure]:
    """As a writer does that knows one member at a time: read, write, read again."""
    writer.reset()
    since, began = writer.emulator.admin.position(), time.monotonic()
    for number in range(USERS):
        for binding in sorted(_bindings(number, PLACES[0]), key=lambda one: one.order):
            policy = writer.policies.get_policy("acme-prod")
            writer.policies.set_policy("acme-prod", plan(policy, PolicyChange(frozenset({binding}))).policy)
            writer.policies.get_policy("acme-prod")
    seconds = time.monotonic() - began
    calls = writer.calls(since, "cloudresourcemanager")
    writer.reset()
    return [
        Figure("the same by a writer one by one (get, set, get)", calls, "calls"),
        Figure("seconds for that by it", seconds, "s"),
    ]


async def _on_instances(writer: _Writer) -> Sequence[Figure]:
    admin, threads = writer.emulator.admin, Threads(16)
    lanes = [UsersLane(place, writer.sqladmin, threads, UserNeighbours(dict)) for place in PLACES]
    each = ON_INSTANCES // INSTANCES

    async def settled(age: float) -> None:
        wants = [(lane, number) for number in range(each) for lane in lanes]
        await asyncio.gather(*(lane.settle(_key(n), _user(n), max_age=age) for lane, n in wants))

    admin.add_fault(r"sql\.users\.insert", times=None, latency=OPERATION)
    alone = _alone(writer, each)
    began = time.monotonic()
    await settled(INTERVAL)
    seconds = time.monotonic() - began
    admin.clear_faults()
    since = admin.position()
    await settled(INTERVAL / 2)
    threads.close()
    lists = writer.calls(since, "sql.users.list")
    return [
        Figure(f"{ON_INSTANCES} users on {INSTANCES} instances, {OPERATION} s an operation", seconds, "s"),
        Figure(f"{each} operations of one instance, one after another with nothing beside", alone, "s"),
        Figure("all instances at once, in times of that", seconds / alone, "times", 1.2),
        Figure("users.list of one interval at rest, an instance", lists / INSTANCES, "calls", 1),
        Figure("writes of it", writer.calls(since, "sql", writes=True), "writes", 0),
    ]


def _alone(writer: _Writer, users: int) -> float:
    """Seconds that so many operations of one instance take in turn, each awaited by the operator's adapter."""
    began = time.monotonic()
    for number in range(users):
        writer.sqladmin.insert_user(ALONE, NewUser(_user(number).claim.username, UserType.SERVICE_ACCOUNT))
    return time.monotonic() - began


def _config() -> Config:
    policy = {
        "version": 3,
        "bindings": [
            {"role": "roles/viewer", "members": ["user:ann@acme.com"]},
            {"role": "roles/resourcemanager.projectIamAdmin", "members": [OPERATOR]},
            {"role": ROLE, "members": [OPERATOR]},
        ],
    }
    permissions = tuple(f"cloudsql.{one}" for one in ("instances.get", "users.list", "users.create", "users.delete"))
    names = ["operator", *(f"u-{number}" for number in range(USERS))]
    return Config(
        projects=(Project("acme-prod", "123456789012", policy),),
        users=("ann@acme.com",),
        service_accounts=tuple(ServiceAccount(f"{name}@acme-prod.iam.gserviceaccount.com") for name in names),
        custom_roles=(CustomRole(ROLE, permissions),),
        instances=tuple(Instance(place.project, place.region, place.instance) for place in [*PLACES, ALONE]),
    )


def _key(number: int) -> Key:
    return Key("CloudSQLIAMUser", "fleet", f"u-{number}")


def _bindings(number: int, place: ConnectionName) -> frozenset[Binding]:
    return bindings_for(f"serviceAccount:u-{number}@acme-prod.iam.gserviceaccount.com", IAM, Scope(place))


def _user(number: int) -> UserWant:
    claim = UserClaim(f"u-{number}@acme-prod.iam", datetime(2026, 1, 1, tzinfo=UTC), f"uid-{number}", str(_key(number)))
    return UserWant(claim, UserType.SERVICE_ACCOUNT)


def _say(line: str) -> None:
    print(f"   iam: {line}", file=sys.stderr, flush=True)
