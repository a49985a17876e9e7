"""Questions to the operator's identities: in a thread while one may call out, and at once when it knows its answers."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import google.auth.credentials
import pytest

from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.api.names import INSTANCE, Key
from cloudsql_iam_operator.api.parsing.objects import parse_instance
from cloudsql_iam_operator.core.instances import InstanceFacts
from cloudsql_iam_operator.services.identities.google import Google
from cloudsql_iam_operator.services.reconcilers.systems import Systems
from cloudsql_iam_operator.services.runtime.threads import Threads
from unit.services.authority.ground import CONNECTION, body

OPERATOR = "op@acme.iam.gserviceaccount.com"
LOOKS = 3


class Credentials(google.auth.credentials.Credentials):
    """A metadata server's: who it is comes with the first token."""

    service_account_email = "default"

    def refresh(self, request: object) -> None:
        self.service_account_email = OPERATOR
        self.token = "token"


class Outside:
    """An instance, its identity and its way in; where each was asked, by what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        nothing: Any = None
        admin: Any = self
        self._google = Google(Identity(Credentials(), "own"), admin, nothing, nothing)  # type: ignore[no-untyped-call] # the library's

    def note(self, what: str) -> None:
        self.asked.append((what, threading.current_thread() is not threading.main_thread()))

    def knows(self, instance: CloudSQLInstance) -> bool:
        return self._google.identity.is_known

    def of(self, instance: CloudSQLInstance, *facts: InstanceFacts) -> Google:
        self.note("way in" if facts else "identity")
        return self._google

    def instance(self, connection: object) -> InstanceFacts:
        return InstanceFacts("RUNNABLE", False, "POSTGRES_16", True, "", "eu", frozenset())


def looked_at(outside: Outside, **admin: Any) -> list[tuple[str, bool]]:
    """What is asked by each look but the first, and whether in a thread."""
    spec = {"connectionName": CONNECTION, "admin": {"database": admin}}
    instance = parse_instance(body(INSTANCE.name, "orders", spec))

    async def look(systems: Systems) -> None:
        await systems.google(instance)
        await systems.own_username(instance)
        assert (await systems.own_accounts(instance)).why(OPERATOR, "") == "the account that the operator runs as"
        await systems.way_in(instance)

    async def story() -> list[tuple[str, bool]]:
        threads, everything = Threads(4), outside
        systems = Systems(everything, threads, everything, everything, "")  # type: ignore[arg-type] # a few lines
        try:
            await look(systems)
            first = len(outside.asked)
            for _ in range(LOOKS):
                await look(systems)
            return outside.asked[first:]
        finally:
            threads.close()

    return asyncio.run(story())


def test_nothing_is_asked_in_a_thread_about_an_identity_that_is_known() -> None:
    asked = looked_at(Outside())

    assert asked == [(what, False) for what in ("identity", "identity", "identity", "way in")] * LOOKS


def test_an_identity_that_is_not_known_is_asked_in_a_thread() -> None:
    outside = Outside()

    looked_at(outside)

    assert outside.asked[:2] == [("identity", True), ("identity", True)]


def test_a_way_in_by_a_secret_is_asked_in_a_thread_always() -> None:
    asked = looked_at(Outside(), secretRef={"name": "login"})

    assert [where for what, where in asked if what == "way in"] == [True] * LOOKS


@pytest.mark.parametrize("told", [{"databaseUser": "other@acme.iam"}, {}], ids=["told", "not told"])
def test_the_operators_accounts_are_those_that_instances_tell_now(told: Mapping[str, str]) -> None:
    outside = Outside()
    key, spec = Key(INSTANCE.name, "", "orders"), {"connectionName": CONNECTION}

    async def story() -> list[bool]:
        threads, everything = Threads(4), outside
        systems = Systems(everything, threads, everything, everything, "")  # type: ignore[arg-type] # a few lines
        found: list[bool] = []
        statuses: tuple[Mapping[str, Any], ...] = ({}, {"operator": told}, {"operator": {}})
        try:
            for status in statuses:
                systems.registry.put(key, body(INSTANCE.name, "orders", spec, status))
                instance = parse_instance(body(INSTANCE.name, "orders", spec))
                accounts = await systems.own_accounts(instance)
                found.append(bool(accounts.why("", "other@acme.iam")))
        finally:
            threads.close()
        return found

    assert asyncio.run(story()) == [False, bool(told), False]
