"""What a platform team, a tenant and a careless administrator do on the chain; used by the demo and by the tests."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from e2e import world
from e2e.chain import ROOT, Chain
from e2e.cloud import Cloud
from e2e.objects import Refusal
from e2e.waiting import eventually

EXAMPLE = ROOT / "examples" / "01-first-login"
TENANT = "orders"
REQUESTED_AT = "reconcile.iam.cloudsql.dev/requestedAt"


@dataclass(frozen=True, slots=True)
class Stage:
    """The chain, and the cloud as its owner sees it."""

    chain: Chain
    cloud: Cloud

    @property
    def apply_order(self) -> tuple[str, ...]:
        """The manifests of the first example, in no helpful order: a pipeline promises none."""
        return ("workload", "access", "instance")


def apply_example(stage: Stage) -> None:
    """Apply the first example."""
    stage.chain.kubectl("create", "namespace", TENANT)
    for name in stage.apply_order:
        stage.chain.kubectl.apply(EXAMPLE / f"{name}.yaml")


def delete_example(stage: Stage) -> None:
    """Delete the first example at once and return when all of it is gone."""
    files = [part for name in stage.apply_order for part in ("-f", str(EXAMPLE / f"{name}.yaml"))]
    stage.chain.kubectl("delete", "--wait=false", *files)
    for kind, name, namespace in (
        ("dbg", "checkout-reads-orders", TENANT),
        ("csqlu", "checkout", TENANT),
        ("csqli", "orders-prod", ""),
    ):
        stage.chain.kubectl.gone(kind, name, namespace)


def all_ready(stage: Stage) -> None:
    """Return once instance, user and grant of the example are Ready."""
    kubectl = stage.chain.kubectl
    kubectl.ready("csqli", "orders-prod")
    kubectl.ready("csqlu", "checkout", TENANT)
    kubectl.ready("dbg", "checkout-reads-orders", TENANT)


def look_now(stage: Stage, kind: str, name: str, namespace: str = TENANT) -> None:
    """Ask for a fresh look at an object, as a person may, and return when it was had."""
    kubectl = stage.chain.kubectl
    token = f"after-{kubectl.get(kind, name, namespace)['metadata']['resourceVersion']}"
    kubectl.annotate(kind, name, namespace, {REQUESTED_AT: token})

    def handled() -> bool:
        return bool(kubectl.get(kind, name, namespace).get("status", {}).get("lastHandledReconcileAt") == token)

    eventually(handled, f"{kind} {name} was looked at")


def app_pod(stage: Stage) -> dict[str, Any]:
    """The application's pod, once it runs."""

    def look() -> dict[str, Any]:
        pods = stage.chain.kubectl.list("pods", TENANT, labels="app=checkout")
        assert pods, events(stage)
        assert pods[0]["status"].get("phase") == "Running", pods[0]["status"]
        return pods[0]

    return eventually(look, "the application's pod runs")


def events(stage: Stage) -> str:
    """Recent Events of the tenant's namespace, for error texts."""
    return stage.chain.kubectl("get", "events", "-n", TENANT, "--sort-by=.lastTimestamp")


def app_log(stage: Stage) -> str:
    """What the application printed so far."""
    return stage.chain.kubectl("logs", "-n", TENANT, "deploy/checkout", "-c", "app")


def app_says(stage: Stage, text: str, since: int = 0) -> str:
    """What the application printed after `since` characters, once that holds the text."""

    def look() -> str:
        printed = app_log(stage)[since:]
        assert text in printed, printed[-2000:]
        return printed

    return eventually(look, f"the application prints {text!r}")


def app_says_anew(stage: Stage, text: str) -> str:
    """What the application prints from now on, once that holds the text."""
    return app_says(stage, text, since=len(app_log(stage)))


def app_meets(stage: Stage, damage: Callable[[Stage], None], text: str) -> str:
    """What the application prints once it has met a damage; the operator may look just then, so it is done again."""
    since = len(app_log(stage))

    def look() -> str:
        damage(stage)
        printed = app_log(stage)[since:]
        assert text in printed, printed[-2000:]
        return printed

    return eventually(look, f"the application prints {text!r}")


def take_member_out(stage: Stage) -> None:
    """Take the application's account out of every binding of the project, as somebody tidying up would."""
    policy = stage.cloud.policy()
    member = f"serviceAccount:{world.CHECKOUT}"
    if not any(member in b["members"] for b in policy["bindings"]):
        return
    kept = [{**b, "members": [m for m in b["members"] if m != member]} for b in policy["bindings"]]
    stage.cloud.set_policy({**policy, "bindings": [b for b in kept if b["members"]]})


def drop_user(stage: Stage) -> None:
    """Delete the application's database user with all it was granted."""
    if world.CHECKOUT_USER in stage.cloud.users():
        stage.cloud.sql("orders", f'DROP OWNED BY "{world.CHECKOUT_USER}"')
        stage.cloud.delete_user(world.CHECKOUT_USER)


def revoke_select(stage: Stage) -> None:
    """Take one privilege from the application's database user."""
    stage.cloud.sql("orders", f'REVOKE SELECT ON app.orders FROM "{world.CHECKOUT_USER}"')


def members_of(stage: Stage, role: str) -> set[str]:
    """Everybody who holds a role, under any condition."""
    return {m for b in stage.cloud.policy()["bindings"] if b["role"] == role for m in b["members"]}


def pod_under(stage: Stage, account: str, annotations: dict[str, str], namespace: str = TENANT) -> str:
    """What the API server says to a bare pod under a ServiceAccount: a refusal's text, or "" when it is admitted."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"as-{account}", "namespace": namespace, "annotations": annotations},
        "spec": {
            "serviceAccountName": account,
            "containers": [{"name": "app", "image": "postgres:17", "args": ["sleep 3600"]}],
        },
    }
    try:
        stage.chain.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    except Refusal as refusal:
        return str(refusal)
    return ""


def service_account(stage: Stage, name: str, google: str = "", namespace: str = TENANT) -> None:
    """Make a ServiceAccount that acts as a Google account."""
    annotations = {"iam.gke.io/gcp-service-account": google} if google else {}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    stage.chain.kubectl.declare({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
