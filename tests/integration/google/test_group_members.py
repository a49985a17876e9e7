"""Members of a group log in through the real proxy: Cloud SQL makes their accounts, and the operator leaves them be."""

from collections.abc import Iterator

import psycopg
import pytest

from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.adapters.postgres.database import Access
from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.api.names import GRANT, Key
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.grants.decided.plan import GrantWant
from cloudsql_iam_operator.core.grants.desired.entries import Entries, Entry
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import UserClaim
from cloudsql_iam_operator.core.users.plan import Ownership, UserWant
from cloudsql_iam_operator.core.users.principals import GROUP_DERIVED, UserType
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.lanes.policies.wants import PolicyWant
from integration.google.ground import CREATED, IAM, OPERATOR, ORDERS, Ground, Lanes, key
from integration.google.members import ANN, CONNECTION, READERS, company, proxied

SUBJECT = "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/Eve@partner.example"
BATCH = "serviceAccount:batch@acme-prod.iam.gserviceaccount.com"
NAMES = {ANN: "ann@acme.com", BATCH: "batch@acme-prod.iam", SUBJECT: "Eve@partner.example"}
TYPES = {
    ANN: UserType.GROUP_USER,
    BATCH: UserType.GROUP_SERVICE_ACCOUNT,
    SUBJECT: UserType.GROUP_WORKFORCE_IDENTITY,
}
GROUP = UserWant(UserClaim(READERS, CREATED, "uid-readers", "orders/readers", f"group:{READERS}"), UserType.GROUP)
READS = Entries(
    (
        Entry(ObjectKind.SCHEMA, (READERS,), ("USAGE",), "app"),
        Entry(ObjectKind.TABLE, (READERS,), ("SELECT",), "app", ("orders",)),
    )
)


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """The company, with the group declared, bound and granted to, as the operator does it."""
    with Emulator(company()) as emulator:
        emulator.admin.join_group(READERS, SUBJECT)
        made = Ground.of(emulator, OPERATOR)
        emulator.admin.add_binding("projects/acme-prod", "roles/cloudsql.admin", OPERATOR)

        async def story(lanes: Lanes) -> None:
            await lanes.users.settle(key("readers"), GROUP)
            wanted = bindings_for(f"group:{READERS}", IAM, Scope(ORDERS))
            await lanes.policy.bind(key("readers"), PolicyWant(wanted))

        made.run(story)
        answer = granted(emulator)
        assert (answer.problems, answer.granted) == ((), 2)
        yield made


def granted(emulator: Emulator) -> GrantAnswer:
    """What a pass over the database says to the DatabaseGrant for the group."""
    access = Access(
        plain(lambda database: emulator.superuser_dsn(CONNECTION, database)), "", ("app_owner",), lambda: None, "orders"
    )
    reads = Key(GRANT.name, "orders", "reads")
    answer = run_pass(access, "orders", {reads: GrantWant(READS)}, {}, None).answers[reads]
    assert isinstance(answer, GrantAnswer), answer
    return answer


def types(ground: Ground) -> dict[str, UserType]:
    return {user.name: user.type for user in ground.sqladmin.users(ORDERS)}


@pytest.mark.parametrize("member", [ANN, BATCH, SUBJECT])
def test_a_member_logs_in_for_the_first_time_through_the_proxy_and_has_what_the_group_was_granted(
    ground: Ground, member: str
) -> None:
    name = NAMES[member]
    assert name not in types(ground)

    with (
        proxied(ground.emulator, member) as port,
        psycopg.connect(
            host="127.0.0.1", port=port, user=name, dbname="orders", sslmode="disable", connect_timeout=60
        ) as session,
    ):
        who = session.execute("select current_user").fetchone()
        orders = session.execute("select count(*) from app.orders").fetchone()

    assert (who, orders) == ((name,), (3,))
    assert types(ground)[name] is TYPES[member]


def test_the_accounts_of_members_are_neither_made_nor_adopted_nor_deleted(ground: Ground) -> None:
    for member in (ANN, BATCH, SUBJECT):
        with (
            proxied(ground.emulator, member) as port,
            psycopg.connect(
                host="127.0.0.1", port=port, user=NAMES[member], dbname="orders", sslmode="disable", connect_timeout=60
            ),
        ):
            pass
    before, since = types(ground), ground.emulator.admin.position()

    async def story(lanes: Lanes) -> None:
        own = UserWant(UserClaim("ann@acme.com", CREATED, "uid-ann", "orders/ann", ANN), UserType.USER)
        owned = UserWant(own.claim, own.type, ownership=Ownership.CREATED)
        again = await lanes.users.settle(key("readers"), GROUP)
        assert again.change is None
        for want in (own, owned):
            with pytest.raises(Refused) as caught:
                await lanes.users.settle(key("ann"), want)
            assert caught.value.reason is Reason.USER_TYPE_MISMATCH
            assert "declare the group instead" in caught.value.message
        await lanes.users.remove(key("ann"), owned)

    # the group is this process's own, as its record says after a restart
    group, ours = GROUP, Ownership.CREATED

    async def told(lanes: Lanes) -> None:
        await lanes.users.settle(key("readers"), UserWant(group.claim, group.type, ownership=ours))
        await story(lanes)

    ground.run(told)

    assert types(ground) == before
    assert {kind for kind in before.values() if kind in GROUP_DERIVED} == GROUP_DERIVED
    assert ground.emulator.admin.writes(since=since, caller=OPERATOR) == []
    assert granted(ground.emulator).executed == ()
