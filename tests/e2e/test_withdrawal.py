"""A rule is withdrawn, or an end comes: whatever state a tenant brought its objects into before, nothing is left."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.scenes import service_account
from e2e.tenant import Tenant
from e2e.waiting import eventually

State = Callable[[Tenant, str], None]
WHO = "guest"


def held(tenant: Tenant) -> set[str]:
    """What the account has: privileges, a database user, members of the policy."""
    cloud, name = tenant.stage.cloud, f"{WHO}@acme-prod.iam"
    places = {"privileges": str(cloud.acls("orders")), "user": str(cloud.users()), "member": cloud.policy_text()}
    return {place for place, text in places.items() if name in text}


def let_in(tenant: Tenant, **rule: Any) -> None:
    tenant.account(WHO)
    tenant.instance(tenant.rule(**rule))
    tenant.user(WHO)
    tenant.grant(WHO, WHO)
    tenant.ready("dbg", WHO)
    assert held(tenant) == {"privileges", "user", "member"}


def suspended(tenant: Tenant, who: str) -> None:
    tenant.user(who, suspend=True)
    tenant.grant(who, who, suspend=True)
    tenant.ready("csqlu", who, status="False", reason="Suspended")
    tenant.ready("dbg", who, status="False", reason="Suspended")


def observed(tenant: Tenant, who: str) -> None:
    tenant.user(who, mode="Observe")
    tenant.grant(who, who, mode="Plan", enforcement="Additive")
    tenant.ready("csqlu", who, reason="Observing")
    tenant.ready("dbg", who)


def without_account(tenant: Tenant, who: str) -> None:
    tenant.kubectl("delete", "serviceaccount", who, "-n", tenant.name)
    tenant.look_now("csqlu", who)
    tenant.ready("csqlu", who, status="False", reason="ServiceAccountNotFound")


def acting_as_nobody(tenant: Tenant, who: str) -> None:
    service_account(tenant.stage, who, "nobody@acme-prod.iam.gserviceaccount.com", tenant.name)
    tenant.look_now("csqlu", who)
    tenant.ready("csqlu", who, status="False")


def retained(tenant: Tenant, who: str) -> None:
    tenant.user(who, deletionPolicy="Abandon")
    tenant.grant(who, who, deletionPolicy="Retain", enforcement="Additive")
    tenant.ready("dbg", who)


def deleted(tenant: Tenant, who: str) -> None:
    retained(tenant, who)
    tenant.delete("dbg", who)
    tenant.delete("csqlu", who)


@pytest.mark.parametrize("state", [suspended, observed, without_account, acting_as_nobody, retained, deleted])
def test_a_withdrawn_rule_leaves_nothing_whatever_became_of_the_objects(tenant: Tenant, state: State) -> None:
    let_in(tenant)
    state(tenant, WHO)
    assert held(tenant) == (set() if state is deleted else {"privileges", "user", "member"})

    tenant.instance(tenant.rule(namespaces={"names": ["somebody-else"]}))

    eventually(lambda: held(tenant) == set(), "nothing is left")


@pytest.mark.parametrize("spec", [{}, {"suspend": True}, {"enforcement": "Additive"}, {"mode": "Plan"}])
def test_an_end_that_was_admitted_comes_whatever_became_of_the_grant(tenant: Tenant, spec: dict[str, Any]) -> None:
    let_in(tenant)
    end = (datetime.now(UTC) + timedelta(seconds=8)).replace(microsecond=0)
    written = end.isoformat().replace("+00:00", "Z")
    tenant.grant(WHO, WHO, expiresAt=written)
    eventually(
        lambda: tenant.kubectl.get("dbg", WHO, tenant.name)["status"].get("expiresAt") == written, "it is admitted"
    )

    tenant.grant(WHO, WHO, expiresAt=written, **spec)

    eventually(lambda: "privileges" not in held(tenant), "the privileges are gone")
    assert datetime.now(UTC) >= end
