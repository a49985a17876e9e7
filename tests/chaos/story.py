"""What is declared, act by act, and what access that is; each act is one that the operator may be killed in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from chaos.fate import Blow
from chaos.stage import BILLING, SHOP, Stage

BRIEFLY = (5, 20, 80, 320)
"""Seconds from when a grant is made, and a user is given an end, until both end: the first with a third left then."""

USAGE: dict[str, Any] = {"kind": "Schema", "schemas": ["app"], "privileges": ["USAGE"]}


def _login(name: str) -> frozenset[str]:
    return frozenset({f"roles/cloudsql.instanceUser {name}", f"roles/cloudsql.client {name}", f"user {name}"})


FOUND = frozenset({"user old"})
"""What is there before the first act, and after the last."""

READS = frozenset({"USAGE on schema app checkout", "SELECT on app.orders checkout"})
WRITES = frozenset(
    {"USAGE on schema app checkout", "SELECT on app.items checkout", "INSERT on app.items checkout"},
)
OLD_READS = frozenset({"USAGE on schema app old", "SELECT on app.orders old"})
BRIEF = frozenset({"UPDATE on app.orders checkout"})
ALL = FOUND | _login("checkout") | _login("ledger") | _login("plain") | _login("guest")
CREATED = ALL | READS | {"member of app_ro ledger", "member of app_ro plain"}
EDITED = ALL | WRITES | {"member of app_rw ledger", "member of app_rw plain"}
ADOPTED = EDITED | _login("old") | OLD_READS
EXPIRED = ADOPTED - _login("guest") | {"user guest"}
WITHDRAWN = EXPIRED - _login("ledger") - {"member of app_rw ledger"}
HANDED_OVER = WITHDRAWN - WRITES
DELETED = HANDED_OVER - _login("checkout") - _login("old") - OLD_READS | FOUND
LEFT = FOUND | {"user plain"}
"""Who owns something stays where the object says so, with no right to log in."""


@dataclass(frozen=True)
class Act:
    """Something that is declared, how it shows that it is carried out, and the access that is declared then.

    `prepare` comes before, with nobody killed, and `prepared` is the access there is then. `sample` is the blow that
    every change of the program has to bear.
    """

    name: str
    sample: Blow
    declare: Callable[["Stage"], None]
    settled: Callable[["Stage"], object]
    access: frozenset[str]
    prepare: Callable[["Stage"], None] = lambda stage: None
    prepared: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        return self.name


INSTANCE, MIRROR, PLAIN = ("csqli", "orders", ""), ("csqli", "mirror", ""), ("csqli", "plain", "")
"""Three objects of one connection; bindings of the last are under no condition."""

CHECKOUT, AGAIN, OLD, GUEST, UNCONDITIONED, LEDGER = (
    ("csqlu", "checkout", SHOP),
    ("csqlu", "again", SHOP),
    ("csqlu", "old", SHOP),
    ("csqlu", "guest", SHOP),
    ("csqlu", "plain", SHOP),
    ("csqlu", "ledger", BILLING),
)
READING, BRIEFLY_WRITING, OLD_READING, MEMBER = (
    ("dbg", "reads", SHOP),
    ("dbg", "brief", SHOP),
    ("dbg", "old-reads", SHOP),
    ("dbg", "member", BILLING),
)


def _tables(table: str, *privileges: str) -> dict[str, Any]:
    return {"kind": "Table", "schema": "app", "names": [table], "privileges": list(privileges)}


def _open(stage: Stage) -> None:
    stage.instance("orders", SHOP, BILLING)
    stage.instance("mirror", SHOP)
    stage.instance("plain", SHOP, iam={"condition": "None"})
    stage.ready(INSTANCE, MIRROR, PLAIN)


def _unconditioned(stage: Stage, role: str) -> None:
    stage.user("plain", SHOP, instance="plain", databaseRoles=[role], onOwnedObjects="Abandon")


def _guest(stage: Stage, **end: str) -> None:
    stage.user("guest", SHOP, onOwnedObjects="Reassign", reassignOwnedTo="app_owner", **end)


def _create(stage: Stage) -> None:
    stage.user("checkout", SHOP)
    stage.user("ledger", BILLING)
    _unconditioned(stage, "app_ro")
    _guest(stage)
    stage.grant("reads", SHOP, "checkout", grants=[USAGE, _tables("orders", "SELECT")])
    stage.grant("member", BILLING, "ledger", memberships=[{"role": "app_ro"}])


def _edit(stage: Stage) -> None:
    stage.grant("reads", SHOP, "checkout", grants=[USAGE, _tables("items", "SELECT", "INSERT")])
    stage.grant("member", BILLING, "ledger", memberships=[{"role": "app_rw"}])
    _unconditioned(stage, "app_rw")


def _adopt(stage: Stage) -> None:
    stage.user("old", SHOP, adoptionPolicy="IfExists")
    stage.grant("old-reads", SHOP, "old", grants=[USAGE, _tables("orders", "SELECT")])


def _limit(stage: Stage) -> None:
    for seconds in BRIEFLY:
        end = (datetime.now(UTC) + timedelta(seconds=seconds)).replace(microsecond=0)
        told = end.isoformat().replace("+00:00", "Z")
        stage.grant("brief", SHOP, "checkout", grants=[_tables("orders", "UPDATE")], expiresAt=told)
        _guest(stage, expiresAt=told)
        stage.ready(BRIEFLY_WRITING, GUEST)
        if end - datetime.now(UTC) > timedelta(seconds=seconds / 3):
            return
    raise AssertionError("the end came before it stood everywhere, however late it was")


def _nothing(stage: Stage) -> None:
    """Time passes."""


def _withdraw(stage: Stage) -> None:
    stage.instance("orders", SHOP)


def _share(stage: Stage) -> None:
    stage.user("again", SHOP, "checkout", "mirror")


def _hand_over(stage: Stage) -> None:
    stage.delete(READING, BRIEFLY_WRITING, CHECKOUT)


def _delete(stage: Stage) -> None:
    stage.delete(AGAIN, OLD, LEDGER, OLD_READING, MEMBER)


def _furnish(stage: Stage) -> None:
    for name in ("guest", "plain"):
        stage.ground.own(name, f"app.made_by_{name}")


def _leave(stage: Stage) -> None:
    stage.delete(GUEST, UNCONDITIONED)


def _left(stage: Stage) -> None:
    stage.gone(GUEST, UNCONDITIONED)
    owners = stage.ground.owners("app.made_by_guest", "app.made_by_plain")
    assert owners == ["app_owner", "plain@acme-prod.iam"], owners


def _refused(stage: Stage) -> None:
    stage.ready(AGAIN, status="False", reason="ManagedByOther")


def _handed_over(stage: Stage) -> None:
    stage.gone(CHECKOUT, READING, BRIEFLY_WRITING)
    stage.ready(AGAIN)


def _created(stage: Stage) -> None:
    stage.ready(CHECKOUT, LEDGER, UNCONDITIONED, GUEST, READING, MEMBER)


def _deleted(stage: Stage) -> None:
    stage.gone(AGAIN, OLD, LEDGER, OLD_READING, MEMBER)


ACTS = (
    Act("create", Blow(21, "after"), _create, _created, CREATED, _open, FOUND),
    Act("edit", Blow(16, "before"), _edit, lambda s: s.ready(UNCONDITIONED, READING, MEMBER), EDITED, prepared=CREATED),
    Act("adopt", Blow(12, "after"), _adopt, lambda s: s.ready(OLD, OLD_READING), ADOPTED, prepared=EDITED),
    Act("expire", Blow(4, "after"), _nothing, lambda s: s.has(EXPIRED), EXPIRED, _limit, ADOPTED | BRIEF),
    Act("withdraw", Blow(9, "before"), _withdraw, lambda s: s.has(WITHDRAWN), WITHDRAWN, prepared=EXPIRED),
    Act("share", Blow(2, "after"), _share, _refused, WITHDRAWN, prepared=WITHDRAWN),
    Act("hand over", Blow(12, "after"), _hand_over, _handed_over, HANDED_OVER, prepared=WITHDRAWN),
    Act("delete", Blow(14, "before"), _delete, _deleted, DELETED, prepared=HANDED_OVER),
    Act("leave", Blow(12, "after"), _leave, _left, LEFT, _furnish, DELETED),
)
"""In the order in which they are played."""


def end(stage: Stage) -> None:
    """Take away what is left, so that the story can be told anew."""
    stage.delete(INSTANCE, MIRROR, PLAIN)
    stage.gone(INSTANCE, MIRROR, PLAIN)
    stage.ground.clear_away("plain", "app.made_by_guest", "app.made_by_plain")
