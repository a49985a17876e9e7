"""What an instance must be before anything is done on it."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.instance import ConnectionName
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.instances import (
    InstanceFacts,
    require_engine,
    require_iam_authentication,
    require_running,
)
from cloudsql_iam_operator.core.reasons import Reason

ORDERS = ConnectionName("acme-prod", "europe-west1", "orders")
RUNNING = InstanceFacts(
    state="RUNNABLE",
    stopped=False,
    database_version="POSTGRES_16",
    iam_authentication=True,
    instance_type="CLOUD_SQL_INSTANCE",
    region="europe-west1",
    addresses=frozenset({"PRIMARY"}),
)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(RUNNING, region="us-east1"), Reason.INVALID_SPEC),
        (replace(RUNNING, instance_type="READ_REPLICA_INSTANCE"), Reason.UNSUPPORTED_ENGINE),
        (replace(RUNNING, database_version="MYSQL_8_0"), Reason.UNSUPPORTED_ENGINE),
        (replace(RUNNING, stopped=True), Reason.INSTANCE_STOPPED),
        (replace(RUNNING, state="MAINTENANCE"), Reason.INSTANCE_NOT_READY),
        (replace(RUNNING, iam_authentication=False), Reason.IAM_AUTHENTICATION_DISABLED),
        (RUNNING, None),
    ],
)
def test_an_instance_must_be_a_running_postgresql_primary_with_iam_logins(
    facts: InstanceFacts, reason: Reason | None
) -> None:
    met: list[Reason] = []
    for require in (require_engine, require_running, require_iam_authentication):
        try:
            require(ORDERS, facts)
        except Failure as failure:
            met.append(failure.reason)

    assert met == ([reason] if reason else [])


def test_the_ways_to_an_instance_are_told_in_one_order() -> None:
    every = replace(RUNNING, addresses=frozenset({"OUTGOING", "PRIVATE", "PRIMARY"}), psc=True)

    assert list(map(str, RUNNING.ip_types)) == ["PUBLIC"]
    assert sorted(map(str, every.ip_types)) == ["PRIVATE", "PSC", "PUBLIC"]
    assert replace(RUNNING, addresses=frozenset({"OUTGOING"})).ip_types == ()
