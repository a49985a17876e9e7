"""Many grantees on one table: advised against, and refused before PostgreSQL does."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.decided.plan import Plan, plan
from cloudsql_iam_operator.core.grants.observed.actors import Reach
from cloudsql_iam_operator.core.grants.observed.snapshot import AclGroup, Catalog, Role, Server, Snapshot
from cloudsql_iam_operator.core.reasons import Reason
from support.granting.wording import key, table, want

TABLE, OWNER, SCHEMA = 1000, 10, 100


def planned(grantees: int) -> Plan:
    names = tuple(f"r{i}" for i in range(grantees))
    roles = {name: Role(5000 + i, name, False, False, False, False) for i, name in enumerate(names)}
    server = Server(17, "orders", 1, OWNER, 11, 11, False, "one")
    owner = Role(OWNER, "owner", False, False, True, True)
    group = AclGroup(ObjectKind.TABLE, SCHEMA, OWNER, (TABLE,), lockable=True)
    empty = Snapshot(server, {**roles, "owner": owner}, (), {"app": SCHEMA}, (group,))
    seen = replace(empty, names={(Catalog.RELATION, "app", "t"): TABLE})
    return plan({key("a"): want(table("SELECT", to=names, names=("t",)))}, {}, seen, Reach(seen, ()))


@pytest.mark.parametrize(("grantees", "advised"), [(500, 0), (501, 1), (2500, 1)])
def test_a_role_for_all_is_advised_above_five_hundred_grantees(grantees: int, advised: int) -> None:
    done = planned(grantees)

    assert len(done.advice[key("a")]) == advised
    assert sum(operation.size for operation in done.operations) == grantees
    assert done.problems[key("a")] == ()


def test_more_grantees_than_a_row_holds_are_refused_before_any_statement() -> None:
    done = planned(2501)

    assert done.operations == ()
    assert [problem.reason for problem in done.problems[key("a")]] == [Reason.INVALID_SPEC]
    assert "2501 grantees, and PostgreSQL takes about 2500" in done.problems[key("a")][0].message
