"""Objects that vanish, their finalizers taken off by hand: what they caused is taken back, and is made again never."""

from contextlib import suppress

from e2e.objects import Refusal
from e2e.tenant import INSTANCE_USER, Tenant
from e2e.waiting import eventually

OFF = '{"metadata": {"finalizers": null}}'


def held(tenant: Tenant, who: str) -> set[str]:
    """What an account has: privileges, a database user, members of the policy."""
    cloud, name = tenant.stage.cloud, f"{who}@acme-prod.iam"
    places = {"privileges": str(cloud.acls("orders")), "user": str(cloud.users()), "member": cloud.policy_text()}
    return {place for place, text in places.items() if name in text}


def let_in(tenant: Tenant, who: str) -> None:
    tenant.account(who)
    tenant.user(who)
    tenant.grant(who, who)
    tenant.ready("dbg", who)


def break_out(tenant: Tenant, kind: str, name: str) -> None:
    """Delete an object and take its finalizer off at once, as the glass is broken."""
    tenant.kubectl("delete", kind, name, "-n", tenant.name, "--wait=false")
    with suppress(Refusal):  # it may be gone by then
        tenant.kubectl("patch", kind, name, "-n", tenant.name, "--type=merge", "-p", OFF)
    tenant.kubectl.gone(kind, name, tenant.name)


def test_what_vanished_objects_had_caused_is_taken_back_and_not_made_again_for_others(tenant: Tenant) -> None:
    tenant.instance()
    let_in(tenant, "phantom")

    break_out(tenant, "dbg", "phantom")
    break_out(tenant, "csqlu", "phantom")

    eventually(lambda: held(tenant, "phantom") == set(), "nothing is left")
    let_in(tenant, "honest")
    assert held(tenant, "phantom") == set()


def test_a_binding_of_ours_that_no_object_wants_is_told_on_the_instance(tenant: Tenant) -> None:
    cloud, left = tenant.stage.cloud, "serviceAccount:legacy@acme-prod.iam.gserviceaccount.com"
    tenant.instance()
    let_in(tenant, "resident")
    policy = cloud.policy()
    ours = next(b for b in policy["bindings"] if "cloudsql-iam-operator/" in b.get("condition", {}).get("title", ""))
    stray = {**ours, "role": INSTANCE_USER, "members": [left]}
    cloud.set_policy({**policy, "bindings": [*policy["bindings"], stray]})

    def told() -> bool:
        tenant.look_now("csqlu", "resident")
        tenant.look_now("csqli")
        orphans = tenant.kubectl.get("csqli", tenant.name)["status"].get("orphans", {})
        return f"{INSTANCE_USER} for {left.lower()}" in orphans.get("sample", ())

    eventually(told, "the instance names the binding")
    assert left in cloud.policy_text()
    now = cloud.policy()
    signed = [b for b in now["bindings"] if b.get("condition", {}).get("title") == ours["condition"]["title"]]
    for binding in signed:
        binding["members"] = [member for member in binding["members"] if member != left]
    cloud.set_policy({**now, "bindings": [b for b in now["bindings"] if b["members"]]})
