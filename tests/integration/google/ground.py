"""An emulated Google with one project and one instance, and the operator's adapters and lanes on it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import google.oauth2.credentials

from cloudsql_emulator.config import Config, CustomRole, Group, Instance, Project, ServiceAccount
from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.operations import Patience
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.api.instance import BindingMode, ConditionMode, ConnectionName, IAMSettings
from cloudsql_iam_operator.api.names import Key
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import UserWant
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.lanes.policies.policy import PolicyLane
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyNeighbours, PolicyWant
from cloudsql_iam_operator.services.lanes.retry import Retry
from cloudsql_iam_operator.services.lanes.user_wants import UserNeighbours
from cloudsql_iam_operator.services.lanes.users import UsersLane
from cloudsql_iam_operator.services.runtime.threads import Threads
from cloudsql_iam_operator.services.waiting.pace import Pace

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
OPERATOR = "serviceAccount:operator@acme-prod.iam.gserviceaccount.com"
RUNNER = "serviceAccount:runner@acme-prod.iam.gserviceaccount.com"
CHECKOUT = "serviceAccount:checkout@acme-prod.iam.gserviceaccount.com"
IAM = IAMSettings(
    BindingMode.MEMBER, ("roles/cloudsql.instanceUser", "roles/cloudsql.client"), ConditionMode.PER_INSTANCE
)
PATIENCE = Patience(sleep=lambda _: None)
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
POLICY: dict[str, Any] = {
    "version": 3,
    "bindings": [
        {"role": "roles/viewer", "members": ["user:ann@acme.com", "user:Bob@Acme.com"]},
        {"role": "projects/acme-prod/roles/cloudsqlIamOperator", "members": [OPERATOR]},
        {
            "role": "roles/resourcemanager.projectIamAdmin",
            "members": [OPERATOR],
            "condition": {
                "title": "login roles only",
                "expression": "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"
                ".hasOnly(['roles/cloudsql.instanceUser', 'roles/cloudsql.client'])",
            },
        },
        {"role": "roles/cloudsql.client", "members": ["deleted:user:gone@acme.com?uid=123", "user:ann@acme.com"]},
    ],
    "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "ADMIN_READ"}]}],
}
PERMISSIONS = (
    "cloudsql.instances.get",
    "cloudsql.users.create",
    "cloudsql.users.delete",
    "cloudsql.users.list",
    "cloudsql.users.update",
)


def service_account(name: str, **policy: Any) -> ServiceAccount:
    return ServiceAccount(f"{name}@acme-prod.iam.gserviceaccount.com", policy)


@dataclass(frozen=True, slots=True)
class Ground:
    """The emulated Google and the operator's adapters to it."""

    emulator: Emulator
    endpoints: Endpoints
    caller: Caller

    @classmethod
    def of_operator(cls, emulator: Emulator) -> "Ground":
        """The adapters as the operator calls them, under its own identity."""
        return cls.of(emulator, OPERATOR)

    @classmethod
    def of(cls, emulator: Emulator, member: str) -> "Ground":
        """The adapters as a member calls them."""
        url = emulator.api_url
        make: Any = google.oauth2.credentials.Credentials
        endpoints = Endpoints(url, url, url, url)
        token = emulator.admin.mint_token(member)
        identity = Identity(make(token=token), "the operator's own identity", endpoints)
        return cls(emulator, endpoints, Caller(identity, lambda: None))

    @property
    def sqladmin(self) -> SQLAdmin:
        return SQLAdmin(self.endpoints, self.caller, PATIENCE)

    @property
    def resource_manager(self) -> ResourceManager:
        return ResourceManager(self.endpoints, self.caller)

    def run(self, story: Callable[["Lanes"], Awaitable[None]]) -> None:
        async def told() -> None:
            threads = Threads(4)
            pace, busy = Pace(quiet=0.05, longest=0.5), Retry(first=0.05, longest=0.2, total=30.0)
            policy = PolicyNeighbours(dict, lambda: True)
            lanes = Lanes(
                PolicyLane("acme-prod", self.resource_manager, threads, policy, pace),
                UsersLane(ORDERS, self.sqladmin, threads, UserNeighbours(dict), pace=pace, busy=busy),
            )
            try:
                await story(lanes)
            finally:
                threads.close()

        asyncio.run(told())

    def calls(self, since: int) -> list[str]:
        """Discovery names of what the operator called since then."""
        return [entry.method for entry in self.emulator.admin.journal(since=since, kind="api", caller=OPERATOR)]


@dataclass(frozen=True, slots=True)
class Lanes:
    policy: PolicyLane
    users: UsersLane


def emulated() -> Emulator:
    """The project as administrators left it: strangers' bindings, and the operator with least privilege."""
    workload = {
        "role": "roles/iam.workloadIdentityUser",
        "members": ["serviceAccount:acme-prod.svc.id.goog[orders/checkout]"],
    }
    accounts = [service_account(f"app-{number}") for number in range(20)]
    creator = {"role": "roles/iam.serviceAccountTokenCreator", "members": [RUNNER]}
    viewer = {"role": "roles/iam.serviceAccountViewer", "members": [OPERATOR]}
    config = Config(
        projects=(Project("acme-prod", "123456789012", POLICY),),
        users=("ann@acme.com", "bob@acme.com"),
        groups=(Group("orders-dev@acme.com"),),
        service_accounts=(
            service_account("operator", bindings=[creator]),
            service_account("runner"),
            service_account("checkout", bindings=[workload, viewer]),
            *accounts,
        ),
        custom_roles=(CustomRole("projects/acme-prod/roles/cloudsqlIamOperator", PERMISSIONS),),
        instances=(Instance("acme-prod", "europe-west1", "orders", roles=("app_ro",)),),
    )
    return Emulator(config)


def key(name: str) -> Key:
    return Key("CloudSQLIAMUser", "orders", name)


def bindings(name: str) -> PolicyWant:
    return PolicyWant(bindings_for(f"serviceAccount:{name}@acme-prod.iam.gserviceaccount.com", IAM, Scope(ORDERS)))


def user(name: str) -> UserWant:
    claim = UserClaim(f"{name}@acme-prod.iam", CREATED, f"uid-{name}", str(key(name)))
    return UserWant(claim, UserType.SERVICE_ACCOUNT)


def stored(emulator: Emulator) -> dict[str, Any]:
    policy = emulator.admin.policy("projects/acme-prod")
    return {name: value for name, value in policy.items() if name != "etag"}


def failed(call: Callable[..., object], *args: object) -> list[Reason]:
    try:
        call(*args)
    except Failure as failure:
        return [failure.reason]
    return []
