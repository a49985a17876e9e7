"""The demo's story: each step does something on the chain, checks it, and shows it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from e2e import scenes, world
from e2e.scenes import TENANT, Stage
from e2e.waiting import eventually


class Voice(Protocol):
    """Who prints."""

    def note(self, line: str) -> None:
        """A line about what is under way."""
        ...

    def show(self, text: str) -> None:
        """Something to look at."""
        ...


@dataclass(slots=True)
class Telling:
    """The stage, who prints, and what was there before."""

    stage: Stage
    voice: Voice
    before: dict[str, Any] = field(default_factory=dict)

    @property
    def kubectl(self) -> Any:
        """The administrator's kubectl."""
        return self.stage.chain.kubectl


Part = Callable[[Telling], None]
Repairs = dict[str, str]
"""What Events tell of an object being brought to what is declared, by their version."""


def _look_around(told: Telling) -> None:
    cloud = told.stage.cloud
    told.before = {"policy": cloud.policy_text(), "users": cloud.users(), "acls": cloud.acls("orders")}
    told.voice.show("\n".join(_lines(cloud.policy())))
    told.voice.show("database users: " + ", ".join(told.before["users"]))


def _apply(told: Telling) -> None:
    scenes.apply_example(told.stage)
    scenes.all_ready(told.stage)
    told.voice.show(told.kubectl("get", "csqli"))
    told.voice.show(told.kubectl("get", "csqlu,dbg", "-n", TENANT))


def _run(told: Telling) -> None:
    pod = scenes.app_pod(told.stage)
    proxy = next(c for c in pod["spec"]["initContainers"] if c["name"] == "cloudsql-proxy")
    app = next(c for c in pod["spec"]["containers"] if c["name"] == "app")
    told.voice.show("cloud-sql-proxy " + " ".join(proxy["args"]))
    told.voice.show(" ".join(f"{e['name']}={e.get('value')}" for e in app["env"]))
    said = eventually(lambda: _whole_turn(told.stage), "the application reads orders and is refused secrets")
    assert world.CHECKOUT_USER in said, said
    shown = [line for line in said.splitlines() if line.strip() and "LINE" not in line and "^" not in line]
    told.voice.show("\n".join(f"psql: {line}" for line in shown[-3:]))


def _whole_turn(stage: Stage) -> str:
    """What the application printed, when it last read the three orders and then was refused the secrets."""
    printed = scenes.app_log(stage)
    _, three, rest = printed.rpartition("\n3\n")
    assert three, printed[-2000:]
    assert "permission denied for table secrets" in rest, printed[-2000:]
    return printed


def _break_binding(told: Telling) -> None:
    before = _repairs(told, "checkout")
    said = scenes.app_meets(told.stage, scenes.take_member_out, "authentication failed")
    told.voice.show(_first(said, "authentication failed"))
    _mended(told, "csqlu", "checkout", before)
    assert f"serviceAccount:{world.CHECKOUT}" in scenes.members_of(told.stage, "roles/cloudsql.instanceUser")


def _break_user(told: Telling) -> None:
    before = _repairs(told, "checkout")
    said = scenes.app_meets(told.stage, scenes.drop_user, "FATAL")
    told.voice.show(_first(said, "FATAL"))
    _mended(told, "csqlu", "checkout", before)
    scenes.look_now(told.stage, "dbg", "checkout-reads-orders")
    scenes.app_says_anew(told.stage, "permission denied for table secrets")


def _break_privilege(told: Telling) -> None:
    before = _repairs(told, "checkout-reads-orders")
    said = scenes.app_meets(told.stage, scenes.revoke_select, "permission denied for table orders")
    told.voice.show(_first(said, "table orders"))
    scenes.look_now(told.stage, "dbg", "checkout-reads-orders")
    _show_repair(told, "checkout-reads-orders", before)
    eventually(lambda: "table orders" not in scenes.app_says_anew(told.stage, "table secrets"), "orders are read again")


def _break_identity(told: Telling) -> None:
    scenes.service_account(told.stage, "reports", world.REPORTS)
    refusal = scenes.pod_under(told.stage, "reports", {"iam.cloudsql.dev/inject": "checkout"})
    assert world.CHECKOUT in refusal, refusal
    assert world.REPORTS in refusal, refusal
    told.voice.show(refusal.split("denied the request: ")[-1])
    told.kubectl("delete", "serviceaccount", "reports", "-n", TENANT)


def _show_all(told: Telling) -> None:
    told.voice.show(told.kubectl("get", "csqli"))
    told.voice.show(told.kubectl("get", "csqlu,dbg", "-n", TENANT))
    before = set(_lines(json.loads(told.before["policy"])))
    told.voice.show("\n".join(f"+ {line}" for line in _lines(told.stage.cloud.policy()) if line not in before))
    granted = [s for s in told.stage.cloud.granting_statements() if world.CHECKOUT_USER in s]
    assert granted, "no GRANT was logged"
    told.voice.show("\n".join(granted))


def _delete_all(told: Telling) -> None:
    cloud = told.stage.cloud
    scenes.delete_example(told.stage)
    eventually(lambda: not told.kubectl.list("pods", TENANT), "the pods are gone")
    assert cloud.policy_text() == told.before["policy"], cloud.policy_text()
    assert cloud.users() == told.before["users"], cloud.users()
    assert cloud.acls("orders") == told.before["acls"], cloud.acls("orders")
    told.voice.show("policy, database users and privileges are as they were; the strangers' bindings byte for byte")


def _uninstall(told: Telling) -> None:
    told.stage.chain.helm("uninstall", "cloudsql-iam-operator", "--namespace", world.NAMESPACE, "--wait")
    assert told.kubectl("get", "crd", "-o", "name").count("iam.cloudsql.dev") == 3


STEPS: Sequence[tuple[str, Part]] = (
    ("what is there before: other people's bindings and users", _look_around),
    ("kubectl apply: an instance, a user, a grant, a workload", _apply),
    ("the pod runs the real proxy, and psql needs no argument", _run),
    ("layer 1, somebody takes the member out of the IAM policy", _break_binding),
    ("layer 2, somebody deletes the database user", _break_user),
    ("layer 3, somebody revokes a privilege", _break_privilege),
    ("layer 4, a pod under another identity", _break_identity),
    ("what the operator keeps: three kinds, the policy's difference, the SQL", _show_all),
)
ENDING: Sequence[tuple[str, Part]] = (
    ("delete everything: each layer is as it was", _delete_all),
    ("helm uninstall: the definitions stay", _uninstall),
)


def _mended(told: Telling, kind: str, name: str, before: Repairs) -> None:
    scenes.look_now(told.stage, kind, name)
    told.kubectl.ready(kind, name, TENANT)
    _show_repair(told, name, before)
    scenes.app_says_anew(told.stage, world.CHECKOUT_USER)


def _repairs(told: Telling, name: str) -> Repairs:
    events = told.kubectl.list("events", TENANT, fields=f"involvedObject.name={name}")
    repairs = [e for e in events if e["reason"] in {"DriftCorrected", "Granted"}]
    return {e["metadata"]["resourceVersion"]: f"Event {e['reason']}: {e['message']}" for e in repairs}


def _show_repair(told: Telling, name: str, before: Repairs) -> None:
    new = eventually(lambda: _repairs(told, name).keys() - before.keys(), f"an Event tells that {name} was mended")
    told.voice.show(_repairs(told, name)[max(new)])


def _lines(policy: dict[str, Any]) -> list[str]:
    return [
        f"{binding['role']:40} {member}" + (f"  if {binding['condition']['title']}" if "condition" in binding else "")
        for binding in policy["bindings"]
        for member in binding["members"]
    ]


def _first(text: str, words: str) -> str:
    return next((line for line in text.splitlines() if words in line), "")
