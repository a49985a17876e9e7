"""An instance is Ready when what it declares of its admin login works: tried on a real server, once an interval."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from cloudsql_iam_operator.adapters.postgres.connector_failures import NoConnect
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import API_VERSION, FINALIZER, INSTANCE, Key
from cloudsql_iam_operator.api.parsing.objects import parse
from cloudsql_iam_operator.core.errors import Failure, NotYet
from cloudsql_iam_operator.core.instances import InstanceFacts, address_of
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.identities.logins import Logins
from cloudsql_iam_operator.services.reconcilers.instance import InstanceReconciler
from cloudsql_iam_operator.services.runtime.registry import Registry
from cloudsql_iam_operator.services.runtime.reports import Report
from support.granting.setting import Place

FACTS = InstanceFacts("RUNNABLE", False, "POSTGRES_17", True, "CLOUD_SQL_INSTANCE", "eu", frozenset())


def body(name: str, **database: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": name, "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    spec = {"connectionName": "acme:eu:orders", "admin": {"database": database}, "interval": "60s"}
    metadata["finalizers"] = [FINALIZER]
    return {"apiVersion": API_VERSION, "kind": INSTANCE.name, "metadata": metadata, "spec": spec}


def instance(name: str = "orders", **database: Any) -> CloudSQLInstance:
    parsed = parse(Key(INSTANCE.name, "", name), body(name, **database))
    assert isinstance(parsed, CloudSQLInstance), parsed
    return parsed


@dataclass
class Server:
    """A real server: counts sessions, closes databases to us, and tells the time."""

    place: Place
    now: float = 0.0
    sessions: list[str] = field(default_factory=list)
    closed: frozenset[str] = frozenset()

    def access(self, spec: CloudSQLInstance) -> Access:
        declared, real = spec.admin.database, self.place.access()

        def connect(database: str) -> Any:
            if database in self.closed:
                raise NoConnect(Reason.DATABASE_LOGIN_FAILED, f"'op' may not connect to database {database!r}")
            self.sessions.append(database)
            return real.connect(database)

        return replace(real, connect=connect, set_role=declared.set_role, owner_roles=declared.owner_roles, user="op")


@pytest.fixture
def server(place: Place) -> Iterator[Server]:
    yield Server(place)
    place.sql("alter role op login; drop role if exists later")


def verdict(logins: Logins, server: Server, spec: CloudSQLInstance, *others: str, fresh: bool = False) -> str:
    try:
        logins.require(spec, server.access(spec), others, fresh=fresh)
    except NotYet as failure:
        return f"{failure.reason}: {failure.message}"
    return ""


TABLE: dict[str, tuple[dict[str, Any], str]] = {
    "nothing declared": ({}, ""),
    "an owner that may be acted as": ({"ownerRoles": ["app_owner"]}, ""),
    "a setRole that may be taken": ({"setRole": "app_owner"}, ""),
    "a setRole that may not be taken": (
        {"setRole": "stranger", "ownerRoles": ["app_owner"]},
        "SetRoleFailed: spec.admin.database.setRole: 'op' may not act on acme:eu:orders as 'stranger': permission "
        'denied to set role "stranger"; create the role, or have somebody who may grant it run: '
        'GRANT "stranger" TO "op";',
    ),
    "a setRole that does not exist": (
        {"setRole": "nobody's"},
        "SetRoleFailed: spec.admin.database.setRole: 'op' may not act on acme:eu:orders as \"nobody's\": role "
        '"nobody\'s" does not exist; create the role, or have somebody who may grant it run: '
        'GRANT "nobody\'s" TO "op";',
    ),
    "owners of which one may not be acted as": (
        {"ownerRoles": ["app_owner", "stranger"]},
        "OwnerRoleFailed: spec.admin.database.ownerRoles: 'op' may not act on acme:eu:orders as 'stranger': permission "
        'denied to set role "stranger"; create the role, or have somebody who may grant it run: '
        'GRANT "stranger" TO "op";',
    ),
}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_what_is_declared_is_tried(server: Server, name: str) -> None:
    declared, expected = TABLE[name]

    assert verdict(Logins(lambda: server.now), server, instance(**declared)) == expected
    assert server.sessions == ["postgres"]


@pytest.mark.parametrize("declared", [{}, {"setRole": "stranger"}], ids=["works", "fails"])
def test_it_costs_one_session_an_interval_unless_something_changes_or_a_person_asks(
    server: Server, declared: dict[str, Any]
) -> None:
    logins = Logins(lambda: server.now)

    said = [verdict(logins, server, instance(**declared)) for server.now in (0.0, 1.0, 50.0)]
    assert (len(set(said)), len(server.sessions)) == (1, 1)
    verdict(logins, server, instance(**declared), fresh=True)
    assert len(server.sessions) == 2
    server.now = 102.0
    verdict(logins, server, instance(**declared))
    assert len(server.sessions) == 3
    verdict(logins, server, instance(**declared, ownerRoles=["app_owner"]))
    assert len(server.sessions) == 4


def test_what_was_mended_is_seen_by_the_next_try(server: Server) -> None:
    logins, spec = Logins(lambda: server.now), instance(ownerRoles=["later"])
    assert verdict(logins, server, spec).startswith("OwnerRoleFailed")

    server.place.sql("create role later; grant later to op")

    assert verdict(logins, server, spec, fresh=True) == ""


def test_nothing_is_written_by_trying(server: Server) -> None:
    verdict(Logins(), server, instance(setRole="app_owner", ownerRoles=["app_owner", "stranger"]))

    words = {one.sql.split()[0].lower() for one in server.place.cluster.statements(server.place._began)}
    assert not words & {"grant", "revoke", "alter", "create", "insert", "update", "delete", "drop"}


def test_another_database_is_tried_where_the_first_is_closed(server: Server) -> None:
    server.closed = frozenset({"postgres"})

    assert verdict(Logins(), server, instance(), server.place.name) == ""
    assert server.sessions == [server.place.name]
    assert verdict(Logins(), server, instance()) == ("DatabaseLoginFailed: 'op' may not connect to database 'postgres'")


def test_a_login_that_is_refused_is_no_session_and_is_tried_again(server: Server) -> None:
    logins = Logins(lambda: server.now)
    server.place.sql("alter role op nologin")

    refused = [verdict(logins, server, instance()) for _ in range(2)]

    assert [one.partition(":")[0] for one in refused] == ["DatabaseLoginFailed"] * 2
    assert len(server.sessions) == 2
    server.place.sql("alter role op login")
    assert verdict(logins, server, instance()) == ""


class Systems:
    """As many systems as an instance needs, on one real server."""

    def __init__(self, server: Server) -> None:
        self.registry, self.cluster_id = Registry(), ""
        self._server, self._logins = server, Logins(lambda: server.now)

    async def facts(self, spec: CloudSQLInstance, *, fresh: bool = False) -> InstanceFacts:
        return FACTS

    async def operator(self, spec: CloudSQLInstance) -> str:
        return "operator@acme.iam.gserviceaccount.com"

    async def way_in(self, spec: CloudSQLInstance) -> Access:
        return self._server.access(spec)

    async def admin_login(self, spec: CloudSQLInstance, access: Access, databases: Any, *, fresh: bool) -> None:
        self._logins.require(spec, access, databases, fresh=fresh)

    async def users_lane(self, spec: CloudSQLInstance) -> Any:
        return SimpleNamespace(observed=None)

    async def policy_lane(self, spec: CloudSQLInstance) -> Any:
        waiting = SimpleNamespace(refs=frozenset())
        return SimpleNamespace(
            principals=None, orphans=None, waiting=lambda name: waiting, consent_used=lambda name: ""
        )


def test_two_instances_of_one_connection_are_each_ready_for_themselves(server: Server) -> None:
    systems: Any = Systems(server)
    for one in (body("good", ownerRoles=["app_owner"]), body("broken", setRole="stranger")):
        systems.registry.put(Key(INSTANCE.name, "", one["metadata"]["name"]), one)
    reconciler = InstanceReconciler(systems, systems)

    def looked(name: str) -> Report:
        live = systems.registry.get(Key(INSTANCE.name, "", name))
        return asyncio.run(reconciler.reconcile(live))

    reports = {name: looked(name) for name in ("broken", "good", "broken")}

    told = {name: [str(f.reason) for f in report.findings if f.blocks] for name, report in reports.items()}
    assert told == {"good": [], "broken": ["SetRoleFailed"]}
    assert [report.fields["operator"] for report in reports.values()] == [
        {"identity": "operator@acme.iam.gserviceaccount.com", "databaseUser": "op"}
    ] * 2
    assert server.sessions == ["postgres", "postgres"]


def test_an_address_that_the_instance_does_not_have_is_told_by_what_it_has() -> None:
    facts = replace(FACTS, hosts=(("PRIMARY", "34.1.2.3"), ("OUTGOING", "34.1.2.4")))
    spec = instance()

    with pytest.raises(Failure) as caught:
        address_of(spec.connection, spec.admin.database.ip_type, facts)
    assert caught.value.message == (
        "instance acme:eu:orders has no address for ipType PRIVATE; it has PUBLIC: correct spec.admin.database.ipType "
        "of its CloudSQLInstance"
    )
