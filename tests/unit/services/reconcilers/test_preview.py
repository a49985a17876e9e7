"""How manifests are laid over what the cluster holds before anything is previewed."""

import asyncio
from typing import Any

from cloudsql_iam_operator.api.names import API_VERSION, GRANT, INSTANCE, Key, Kind
from cloudsql_iam_operator.services.reconcilers.preview import Previews
from cloudsql_iam_operator.services.runtime.registry import Live, Registry
from cloudsql_iam_operator.services.runtime.threads import Threads

KEY = Key(GRANT.name, "team", "reads")
APPLIED = {"applied": [{"roles": ["x"], "places": [{"grants": [{"kind": "Database", "privileges": ["CONNECT"]}]}]}]}


def body(database: str, name: str = "reads", **more: Any) -> dict[str, Any]:
    entry = {"kind": "Database", "privileges": ["CONNECT"]}
    spec = {"instanceRef": {"name": "orders"}, "database": database, "grantees": [{"role": "x"}], "grants": [entry]}
    metadata = {"name": name, "namespace": "team"}
    return {"apiVersion": API_VERSION, "kind": GRANT.name, "metadata": metadata, "spec": spec, **more}


STORED = body("stored", status=APPLIED)
STORED["metadata"] |= {"uid": "u1", "resourceVersion": "9", "creationTimestamp": "2026-01-01T00:00:00Z"}

INSTANCE_STORED = {
    "apiVersion": API_VERSION,
    "kind": INSTANCE.name,
    "metadata": {"name": "orders", "uid": "u2", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"connectionName": "acme:eu:orders"},
}
WIDE_OPEN = {"name": "mine", "namespaces": {"names": ["team"]}, "databases": ["*"], "privileges": ["CONNECT"]}


class World:
    """A cluster that holds one grant, and what previews need around it."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.threads = Threads(1)
        self.cluster = self

    def list(self, kind: Kind) -> list[dict[str, Any]]:
        return [stored for stored in (STORED, INSTANCE_STORED) if stored["kind"] == kind.name]

    def learnt(self, *bodies: dict[str, Any], offline: bool = False) -> tuple[Key, ...]:
        try:
            return asyncio.run(Previews(self).learn(bodies, offline=offline))  # type: ignore[arg-type] # this class
        finally:
            self.threads.close()

    def live(self, key: Key) -> Live:
        found = self.registry.get(key)
        assert found is not None
        return found


def test_a_file_says_what_is_declared_and_the_cluster_what_was_applied() -> None:
    world = World()

    keys = world.learnt(body("declared"))

    assert keys == (KEY,)
    assert getattr(world.live(KEY).spec, "database", "") == "declared"
    assert world.live(KEY).status == APPLIED


def test_an_object_of_which_only_the_file_knows_has_applied_nothing() -> None:
    world = World()

    world.learnt(body("new", "fresh", status={"applied": ["a lie"]}))

    assert getattr(world.live(Key(GRANT.name, "team", "fresh")).spec, "database", "") == "new"
    assert world.live(Key(GRANT.name, "team", "fresh")).status == {}
    assert getattr(world.live(KEY).spec, "database", "") == "stored"


def test_what_is_allowed_comes_from_the_cluster_whatever_the_manifests_say() -> None:
    theirs = {**INSTANCE_STORED, "spec": {"connectionName": "acme:eu:orders", "access": [WIDE_OPEN]}}
    fresh = {**theirs, "metadata": {"name": "mine"}}
    world = World()

    keys = world.learnt(theirs, fresh, body("declared"))

    assert keys == (KEY,)
    assert getattr(world.live(Key(INSTANCE.name, "", "orders")).spec, "access", None) == ()
    assert world.registry.get(Key(INSTANCE.name, "", "mine")) is None


def test_offline_the_manifests_say_what_is_allowed() -> None:
    theirs = {**INSTANCE_STORED, "spec": {"connectionName": "acme:eu:orders", "access": [WIDE_OPEN]}}
    world = World()

    keys = world.learnt(theirs, body("declared"), offline=True)

    assert keys == (Key(INSTANCE.name, "", "orders"), KEY)
    assert [rule.name for rule in getattr(world.live(keys[0]).spec, "access", ())] == ["mine"]
