"""The life of a user on the emulated Google: every kind of principal x how its IAM bindings come about."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import UserType
from cloudsql_iam_operator.services.runtime.reports import Report
from integration.google.ground import OPERATOR, ORDERS, POLICY, Ground, emulated, stored
from integration.google.tenant import RULE, Tenant

PROJECT = "projects/acme-prod"
BOTH = {"roles/cloudsql.instanceUser", "roles/cloudsql.client"}
POOL = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject"
PAST, FUTURE = "2026-01-02T00:00:00Z", "2099-01-01T00:00:00Z"
ENDING = f"request.time < timestamp('{FUTURE}')"


@dataclass(frozen=True)
class Kind:
    """A principal as an object names it, the rule that lets it in, and what it is called elsewhere."""

    principal: dict[str, Any]
    admitted: dict[str, Any]
    username: str
    member: str
    type: UserType


KINDS = {
    "Kubernetes ServiceAccount": Kind(
        {"kubernetesServiceAccount": {"name": "checkout"}},
        {"kubernetesServiceAccounts": "Verified"},
        "checkout@acme-prod.iam",
        "serviceAccount:checkout@acme-prod.iam.gserviceaccount.com",
        UserType.SERVICE_ACCOUNT,
    ),
    "service account": Kind(
        {"serviceAccount": "app-1@acme-prod.iam.gserviceaccount.com"},
        {"serviceAccounts": ["app-*@acme-prod.iam.gserviceaccount.com"]},
        "app-1@acme-prod.iam",
        "serviceAccount:app-1@acme-prod.iam.gserviceaccount.com",
        UserType.SERVICE_ACCOUNT,
    ),
    "person": Kind(
        {"user": "bob@acme.com"}, {"users": ["*@acme.com"]}, "bob@acme.com", "user:bob@acme.com", UserType.USER
    ),
    "group": Kind(
        {"group": "orders-dev@acme.com"},
        {"groups": ["orders-*@acme.com"]},
        "orders-dev@acme.com",
        "group:orders-dev@acme.com",
        UserType.GROUP,
    ),
    "workforce identity": Kind(
        {"workforceIdentity": f"{POOL}/Eve@partner.example"},
        {"workforceIdentities": [f"{POOL}/*"]},
        "Eve@partner.example",
        f"{POOL}/Eve@partner.example",
        UserType.WORKFORCE_IDENTITY,
    ),
}
MODES: dict[str, dict[str, Any]] = {
    "PerInstance": {"condition": "PerInstance"},
    "None": {"condition": "None"},
    "External": {"mode": "External"},
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with emulated() as running:
        yield running


@dataclass(frozen=True)
class Life:
    """One object of a kind, looked at again and again."""

    ground: Ground
    tenant: Tenant
    kind: Kind
    iam: dict[str, Any]

    @property
    def external(self) -> bool:
        return self.iam.get("mode") == "External"

    @property
    def users(self) -> set[str]:
        return {user["name"] for user in self.ground.emulator.admin.users("acme-prod", "orders")} - {"postgres"}

    @property
    def bound(self) -> dict[str, str]:
        """The principal's roles, each with the condition's expression."""
        held = [one for one in stored(self.ground.emulator)["bindings"] if self.kind.member in one["members"]]
        return {one["role"]: one.get("condition", {}).get("expression", "") for one in held}

    def let_in(self, **more: Any) -> None:
        self.tenant.instance_with({**RULE, "principals": self.kind.admitted, **more}, iam=self.iam)

    def declare(self, **spec: Any) -> None:
        self.tenant.spec = {"principal": self.kind.principal, **spec}

    async def settle(self, *, end: str = "") -> None:
        """Look until all is as declared; whoever else binds follows what the status asks for."""
        report = await self.tenant.look()
        if self.external and why(report) is Reason.IAM_BINDING_MISSING:
            self.ground.emulator.admin.remove_member(PROJECT, self.kind.member)
            condition = {"title": "login", "expression": end} if end else None
            for role in BOTH:
                self.ground.emulator.admin.add_binding(PROJECT, role, self.kind.member, condition)
            report = await self.tenant.look()
        assert why(report) is None, report.findings


def why(report: Report) -> Reason | None:
    return next((finding.reason for finding in report.findings if finding.blocks), None)


@pytest.fixture
def life(emulator: Emulator, request: pytest.FixtureRequest) -> Iterator[tuple[Ground, Kind, dict[str, Any]]]:
    kind, iam = request.param
    ground = Ground.of_operator(emulator)
    yield ground, KINDS[kind], MODES[iam]
    emulator.admin.set_policy(PROJECT, POLICY)
    ground.sqladmin.delete_user(ORDERS, KINDS[kind].username)


ALL = pytest.mark.parametrize("life", [(kind, mode) for kind in KINDS for mode in MODES], indirect=True, ids=", ".join)


def lived(told: tuple[Ground, Kind, dict[str, Any]], story: Any) -> None:
    async def played() -> None:
        tenant = Tenant(told[0])
        try:
            await story(Life(told[0], tenant, told[1], told[2]))
        finally:
            tenant.close()

    asyncio.run(played())


@ALL
def test_a_principal_comes_ends_is_renewed_is_shut_out_and_goes_and_leaves_nothing(
    life: tuple[Ground, Kind, dict[str, Any]],
) -> None:
    async def story(one: Life) -> None:
        one.let_in()
        one.declare()
        await one.settle()
        assert (one.users, set(one.bound)) == ({one.kind.username}, BOTH)

        one.declare(expiresAt=PAST)
        await one.settle()
        assert (one.users, set(one.bound)) == ({one.kind.username}, BOTH if one.external else set())
        told = next(each["message"] for each in one.tenant.status["conditions"] if each["reason"] == "Expired")
        assert ("nobody logs in" in told) is not one.external

        one.declare(expiresAt=FUTURE)
        await one.settle(end=ENDING)
        assert set(one.bound) == BOTH
        assert all(ENDING in condition for condition in one.bound.values())

        one.let_in(namespaces={"names": ["elsewhere"]})
        assert why(await one.tenant.look()) is Reason.NAMESPACE_NOT_ALLOWED
        assert (one.users, set(one.bound)) == (set(), BOTH if one.external else set())

        one.let_in()
        await one.settle(end=ENDING)
        assert one.users == {one.kind.username}
        await gone_and_again(one)

    lived(life, story)


async def gone_and_again(one: Life) -> None:
    """The object is deleted, made again under its name, and deleted."""
    for uid in ("uid-2", "uid-3"):
        assert (await one.tenant.remove()).holds
        assert (one.users, set(one.bound)) == (set(), BOTH if one.external else set())
        one.tenant.made_anew(uid)
        if uid == "uid-2":
            await one.settle(end=ENDING)
            assert (one.users, set(one.bound)) == ({one.kind.username}, BOTH)


@ALL
def test_a_user_that_was_there_is_taken_only_where_that_is_allowed_and_outlives_the_object(
    life: tuple[Ground, Kind, dict[str, Any]],
) -> None:
    ground, kind, _ = life
    asked = kind.member.partition(":")[2].removesuffix(".gserviceaccount.com")
    ground.sqladmin.insert_user(ORDERS, NewUser(kind.username if "//" in kind.member else asked, kind.type))
    before, since = stored(ground.emulator), ground.emulator.admin.position()

    async def story(one: Life) -> None:
        for policy, allowed in (("Never", True), ("IfExists", False)):
            one.let_in(allowAdoption=allowed)
            one.declare(adoptionPolicy=policy)
            assert why(await one.tenant.look()) is Reason.EXTERNAL_RESOURCE_EXISTS
            assert (stored(ground.emulator), ground.emulator.admin.writes(since=since, caller=OPERATOR)) == (before, [])

        one.let_in(allowAdoption=True)
        one.declare(adoptionPolicy="IfExists")
        await one.settle()
        assert (one.tenant.status["adopted"], set(one.bound)) == (True, BOTH)

        assert (await one.tenant.remove()).holds
        assert (one.users, set(one.bound)) == ({kind.username}, BOTH if one.external else set())

    lived(life, story)
