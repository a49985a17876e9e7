"""What live objects have on record: for whom, and read how often."""

from typing import Any

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.api.names import GRANT, USER, Key, Kind
from cloudsql_iam_operator.core.grants.desired.ledger import Ledger, membership
from cloudsql_iam_operator.core.grants.desired.written import rendered
from cloudsql_iam_operator.services.runtime.ledgers import Ledgers
from cloudsql_iam_operator.services.runtime.registry import Registry
from support.granting.wording import caused, table

PLACE = ConnectionName("acme", "eu", "orders")
READS = caused(table("SELECT"))
CLUB = frozenset({membership("x", "club")})


def put(registry: Registry, kind: Kind, name: str, status: dict[str, Any], **metadata: Any) -> Key:
    """An object with a status, as a watch shows it."""
    told = {
        "name": name,
        "namespace": "team",
        "uid": name,
        "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "resourceVersion": "1",
        **metadata,
    }
    status = {"instance": str(PLACE), "instanceName": "orders", **status}
    spec = {"instanceRef": {"name": "orders"}}
    key = Key(kind.name, "team", name)
    registry.put(key, {"kind": kind.name, "metadata": told, "spec": spec, "status": status})
    return key


def grant(
    registry: Registry,
    name: str,
    ledger: Ledger,
    *,
    database: str = "sales",
    found: Ledger = frozenset(),
    **metadata: Any,
) -> Key:
    """A DatabaseGrant that has this on record."""
    more = {"found": rendered(found)} if found else {}
    return put(registry, GRANT, name, {"database": database, "applied": rendered(ledger), **more}, **metadata)


def test_records_are_those_of_objects_that_want_nothing_and_stay() -> None:
    registry = Registry()
    ledgers = Ledgers(registry)
    wanted, standing = grant(registry, "wanted", READS), grant(registry, "standing", READS, found=READS)
    grant(registry, "going", READS, deletionTimestamp="2026-01-02T00:00:00Z")
    grant(registry, "bare", frozenset())

    told = ledgers.besides({wanted}, PLACE, "sales")

    assert (told.applied, told.found) == ({standing: READS}, {standing: READS})


def test_of_other_databases_and_of_users_it_is_what_the_server_shares() -> None:
    registry = Registry()
    elsewhere = grant(registry, "elsewhere", READS | CLUB, database="stock")
    user = put(registry, USER, "x", {"username": "x", "databaseRoles": ["club"]})
    put(registry, USER, "y", {"username": "y"})

    told = Ledgers(registry).besides((), PLACE, "sales")

    assert (told.applied, told.found) == ({elsewhere: CLUB, user: CLUB}, {})


def test_a_status_is_read_once_and_anew_when_it_is_another() -> None:
    registry = Registry()
    ledgers = Ledgers(registry)
    key = grant(registry, "a", READS)
    first, again = (ledgers.besides((), PLACE, "sales").applied[key] for _ in range(2))

    grant(registry, "a", CLUB, resourceVersion="2")

    assert again is first
    assert ledgers.besides((), PLACE, "sales").applied[key] == CLUB


def test_a_record_that_cannot_be_read_hides_no_other() -> None:
    registry = Registry()
    put(registry, GRANT, "broken", {"database": "sales", "applied": [{"roles": ["x"]}]})
    whole = grant(registry, "whole", READS)

    assert Ledgers(registry).besides((), PLACE, "sales").applied == {whole: READS}
