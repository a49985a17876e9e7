"""A roster knows what the whole namespace says, and joins anew only what changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.core.injection.cluster import reading
from cloudsql_iam_operator.core.injection.cluster.reading import SeenGrant, SeenUser
from cloudsql_iam_operator.core.injection.cluster.roster import Roster
from cloudsql_iam_operator.core.injection.facts import InstanceFact, UserFact

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
CREATED = {"creationTimestamp": "2026-01-01T00:00:00Z", "generation": 2}
ORDERS = InstanceFact("orders-prod", "acme-prod:europe-west1:orders", IPType.PRIVATE)
ON = {"orders-prod": ORDERS}
NAMES = st.sampled_from(["a", "b", "c"])


def user(name: str, until: int = 0, **status: Any) -> SeenUser:
    """A user whose IAM acts so many minutes after noon."""
    at = (NOON + timedelta(minutes=until)).isoformat().replace("+00:00", "Z")
    body = {
        "metadata": {"name": name, "namespace": "orders", **CREATED},
        "spec": {"instanceRef": {"name": "orders-prod"}, "principal": {"kubernetesServiceAccount": {"name": name}}},
        "status": {"observedGeneration": 2, "iam": {"propagationUntil": at}, **status},
    }
    seen = reading.user(body)
    assert seen is not None
    return seen


def grant(name: str, database: str, *to: str) -> SeenGrant:
    seen = reading.grant(
        {
            "metadata": {"name": name, "namespace": "orders", **CREATED},
            "spec": {
                "instanceRef": {"name": "orders-prod"},
                "database": database,
                "grantees": [*({"userRef": {"name": one}} for one in to), {"role": "readers"}],
                "grants": [{"kind": "Database", "privileges": ["CONNECT"]}],
            },
        }
    )
    assert seen is not None
    return seen


USERS = st.dictionaries(NAMES, st.integers(-2, 2)).map(lambda said: [user(n, minutes) for n, minutes in said.items()])
GRANTS = st.dictionaries(
    st.sampled_from(["g", "h"]), st.tuples(st.sampled_from(["orders", "x"]), st.sets(NAMES, min_size=1))
).map(lambda said: [grant(name, database, *sorted(to)) for name, (database, to) in said.items()])


def joined(users: list[SeenUser], grants: list[SeenGrant], now: datetime) -> tuple[UserFact, ...]:
    facts = (reading.fact(seen, ORDERS, grants, now) for seen in users)
    return tuple(sorted(facts, key=lambda fact: fact.name))


@settings(max_examples=200)
@given(st.lists(st.tuples(USERS, GRANTS, st.integers(0, 3)), max_size=5))
def test_a_roster_says_what_the_namespace_says_however_it_came_about(
    history: list[tuple[list[SeenUser], list[SeenGrant], int]],
) -> None:
    roster = Roster()

    for users, grants, minutes in history:
        now = NOON + timedelta(minutes=minutes)
        expected = joined(users, grants, now)
        assert roster.users(reading.by_name(users), reading.by_name(grants), ON, now) == expected
        ahead = [fact.acts_at for fact in expected if fact.acts_at is not None]
        assert roster.acts_at == min(ahead, default=None)


def test_news_of_one_user_are_no_news_of_the_others() -> None:
    roster, others, grants = Roster(), [user("b"), user("c")], reading.by_name([grant("g", "orders", "a", "b")])

    before = roster.users(reading.by_name([user("a"), *others]), grants, ON, NOON)
    after = roster.users(reading.by_name([*others, user("a", username="a@p.iam")]), grants, ON, NOON)

    assert [fact.name for fact in after] == ["a", "b", "c"]
    assert after[0].username == "a@p.iam"
    assert after[1] is before[1]
    assert after[2] is before[2]


def test_news_of_a_grant_are_news_of_its_users_alone() -> None:
    roster, users = Roster(), reading.by_name([user("a"), user("b"), user("c")])

    before = roster.users(users, reading.by_name([grant("g", "orders", "a")]), ON, NOON)
    after = roster.users(users, reading.by_name([grant("g", "orders", "b")]), ON, NOON)

    assert [fact.databases for fact in after] == [(), ("orders",), ()]
    assert after[2] is before[2]


def test_an_instance_that_comes_and_changes_is_news_of_the_users_on_it() -> None:
    roster, users = Roster(), reading.by_name([user("a")])
    moved = replace(ORDERS, ip_type=IPType.PSC)

    assert [fact.instance for fact in roster.users(users, {}, {}, NOON)] == [None]
    assert [fact.instance for fact in roster.users(users, {}, ON, NOON)] == [ORDERS]
    assert [fact.instance for fact in roster.users(users, {}, {"orders-prod": moved}, NOON)] == [moved]
