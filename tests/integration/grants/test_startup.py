"""Logins to servers that take fewer startup options than we ask for: told, and made up for in each transaction."""

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from cloudsql_iam_operator.adapters.postgres.connect import plain
from cloudsql_iam_operator.adapters.postgres.startup import EVERY, SAFE_PATH, SESSION, Startup
from cloudsql_iam_operator.services.lanes.database_pass import run_pass
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from support.granting.pooler import Pooler
from support.granting.setting import Place
from support.granting.wording import key, table, want

ONLY = {key("only"): want(table("SELECT"))}


@pytest.fixture
def pooler(place: Place) -> Iterator[Pooler]:
    with Pooler(place.cluster.socket_path) as running:
        yield running


def test_every_session_starts_with_what_was_asked_for(place: Place) -> None:
    with place.access().connect(place.name) as connection:
        known: dict[str, str] = dict(
            connection.execute("select lower(name), setting from pg_catalog.pg_settings").fetchall()
        )
        sources: dict[str, str] = dict(
            connection.execute("select lower(name), source from pg_catalog.pg_settings").fetchall()
        )

    asked = {name.lower() for name in EVERY} - ({"transaction_timeout"} if place.version < 17 else set())
    assert known["search_path"] == SAFE_PATH
    assert {name for name in asked - {"role"} if sources[name] != "client"} == set()


def test_a_pooler_that_takes_no_options_is_told_and_its_sessions_are_as_safe(
    place: Place, pooler: Pooler, caplog: pytest.LogCaptureFixture
) -> None:
    connect = plain(lambda database: make_conninfo(place.cluster.dsn("op", database), host=pooler.host))
    for setting in ("search_path = app, pg_catalog", "default_transaction_read_only = on", "exit_on_error = on"):
        place.sql(f"alter role op in database {place.name} set {setting}")
    access = replace(place.access(), connect=connect)

    with caplog.at_level(logging.WARNING):
        answers = [run_pass(access, place.name, ONLY, {}, None).answers[key("only")] for _ in range(2)]

    assert pooler.refused == 1
    assert f"the server/{place.name} refuses startup options at login" in caplog.text
    first, second = answers
    assert isinstance(first, GrantAnswer)
    assert isinstance(second, GrantAnswer)
    assert (first.problems, len(first.executed), second.problems, second.executed) == ((), 1, (), ())


def test_every_transaction_begins_with_the_settings(place: Place) -> None:
    since = place.cluster.log_size()
    place.answer(want(table("SELECT")))

    said = [
        one.sql.strip() for one in place.cluster.statements(since) if (one.user, one.database) == ("op", place.name)
    ]

    begun = [number for number, text in enumerate(said) if text.lower().startswith("begin")]
    assert begun[0] == 0
    for number in begun:
        assert "pg_catalog.set_config(s.name" in said[number + 1], said[number + 1]
    outside = [text for before, text in itertools.pairwise(said) if before.lower() == "commit"]
    assert all(text.lower().startswith("begin") for text in outside)


def test_what_one_database_refuses_is_asked_of_the_others() -> None:
    startup = Startup("acme:eu:orders")
    tries: list[str] = []

    def refusing(options: str) -> psycopg.Connection[tuple[object, ...]]:
        tries.append(options)
        raise psycopg.OperationalError(
            'FATAL:  unrecognized configuration parameter "jit"' if len(tries) == 1 else "no"
        )

    with pytest.raises(psycopg.OperationalError, match="no"):
        startup.connected("one", refusing)

    assert ["-c jit=off" in options for options in tries] == [True, False]
    assert "-c jit=off" in startup.options("other")


def test_a_refusal_of_what_was_not_asked_for_is_no_reason_to_try_again() -> None:
    startup = Startup("acme:eu:orders")
    tries: list[str] = []

    def refusing(options: str) -> psycopg.Connection[tuple[object, ...]]:
        tries.append(options)
        raise psycopg.OperationalError('FATAL:  permission denied to set parameter "log_min_messages"')

    with pytest.raises(psycopg.OperationalError):
        startup.connected("one", refusing)

    assert len(tries) == 1


def test_a_server_of_a_known_version_is_asked_for_what_it_has() -> None:
    assert "transaction_timeout" not in Startup("acme:eu:orders", 16).options("one")
    assert "-c transaction_timeout=0" in Startup("acme:eu:orders", 17).options("one")


def test_what_matters_in_a_transaction_is_set_in_it_too() -> None:
    assert SESSION["search_path"] == SAFE_PATH
    assert SESSION.keys() <= EVERY.keys()
