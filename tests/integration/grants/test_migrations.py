"""Other people's migrations while we grant and revoke on the same tables, round after round: none of them fails."""

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg
import pytest

from cloudsql_iam_operator.api.grant import ObjectKind
from cloudsql_iam_operator.core.grants.desired.entries import Entry
from cloudsql_iam_operator.core.grants.desired.ledger import AppliedEntry, Ledger, ledger_of
from support.granting.setting import Place, Setting
from support.granting.wording import declared, table, want

LIMIT = 600.0
"""Seconds that nothing here needs on the slowest machine."""

ENOUGH = 20
"""Statements of ours that the migrations must have met: they go on until then."""

ROUNDS = 500
ROUNDS_OF_COLUMNS = 200

GROUND = """
set role app_owner;
create table app.parent (id integer primary key);
create function app.nothing() returns trigger language plpgsql as $$ begin return new; end $$
"""
OF_TABLES = (
    "alter table app.orders add column c{0} integer",
    "create trigger t{0} before insert on app.orders for each row execute function app.nothing()",
    "create table app.child{0} (id integer)",
    "alter table app.child{0} add foreign key (id) references app.parent (id)",
    "alter table app.orders enable row level security",
    "alter table app.orders drop column c{0}",
    "drop trigger t{0} on app.orders",
    "drop table app.child{0}",
)
OF_COLUMNS = (
    "alter table app.orders alter column country set default 'nowhere'",
    "alter table app.orders alter column country type varchar(9)",
    "alter table app.orders alter column country type text",
    "alter table app.orders rename column country to land",
    "alter table app.orders rename column land to country",
    "alter table app.orders alter column note set not null",
    "alter table app.orders alter column note drop not null",
)
ON_TABLES = tuple(table(privilege) for privilege in ("SELECT", "UPDATE", "DELETE", "INSERT"))
ON_COLUMNS = tuple(
    Entry(ObjectKind.COLUMN, ("x",), (privilege,), "app", ("orders",), columns=("country", "note"))
    for privilege in ("SELECT", "UPDATE")
)


@dataclass(slots=True)
class Granting:
    """One entry after the other applied to a place, each in turn taking back what the one before gave."""

    place: Place
    entries: Sequence[Entry]
    written: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        for entry in itertools.cycle(self.entries):
            if self.stop.is_set():
                return
            answer = self.place.answer(want(entry, ledger=caused_by(self.entries)))
            self.written += len(answer.executed)


@pytest.fixture
def place() -> Iterator[Place]:
    with Setting() as running:
        made = running.place()
        made.sql(GROUND)
        yield made


def caused_by(entries: Sequence[Entry]) -> Ledger:
    every: list[AppliedEntry] = []
    for entry in entries:
        every += ledger_of(declared(entry))
    return frozenset(every)


def failures(granting: Granting, migrations: Sequence[str], rounds: int) -> list[str]:
    """What PostgreSQL said to the migrations that it did not carry out, in so many rounds or more."""
    failed, place, end = [], granting.place, time.monotonic() + LIMIT
    with psycopg.connect(place.cluster.dsn(None, place.name), autocommit=True) as connection:
        connection.execute("set role app_owner")
        for number in itertools.count():
            if number >= rounds and (granting.written >= ENOUGH or time.monotonic() > end):
                break
            for migration in migrations:
                try:
                    connection.execute(migration.format(number).encode())
                except psycopg.Error as error:
                    failed.append(f"{migration.format(number)}: {error}")
    return failed


def failures_while(granting: Granting, migrations: Sequence[str], rounds: int) -> list[str]:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(granting.run)
        try:
            failed = failures(granting, migrations, rounds)
        finally:
            granting.stop.set()
        running.result(LIMIT)
    return failed


def test_no_migration_fails_because_of_grants(place: Place) -> None:
    granting = Granting(place, ON_TABLES)

    failed = failures_while(granting, OF_TABLES, ROUNDS)

    assert failed == []
    assert granting.written >= ENOUGH


def test_no_migration_of_columns_fails_because_of_grants_on_columns(place: Place) -> None:
    granting = Granting(place, ON_COLUMNS)

    failed = failures_while(granting, OF_COLUMNS, ROUNDS_OF_COLUMNS)

    assert failed == []
    assert granting.written >= ENOUGH
