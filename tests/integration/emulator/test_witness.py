"""Who is told of every exchange with PostgreSQL: before and after, in order, and what is not to be handled is not."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from cloudsql_emulator.standalone import StandaloneInstance, standalone_ground
from cloudsql_emulator.witness import Witness


class Recorder(Witness):
    """Writes down what it is told, and has the call of a number not handled."""

    def __init__(self, unhandled: int = 0) -> None:
        self.told: list[str] = []
        self._unhandled = unhandled
        self._number = 0

    def came(self, call: str) -> Callable[[], None] | None:
        self._number += 1
        number = self._number
        self.told.append(f"before {number}")
        return None if number == self._unhandled else lambda: self.told.append(f"after {number}")


@pytest.fixture(scope="module")
def instance() -> Iterator[StandaloneInstance]:
    with standalone_ground() as ground, ground.instance() as running:
        yield running


def test_a_login_and_each_statement_are_told_before_and_after(instance: StandaloneInstance) -> None:
    witness = instance.plane.witness = Recorder()

    with instance.connect("bob", "bob-password") as connection:
        connection.autocommit = True
        connection.execute("SELECT 1")
        with connection.pipeline():
            connection.execute("SELECT 2")
            connection.execute("SELECT 3")

    assert witness.told[:4] == ["before 1", "after 1", "before 2", "after 2"]
    assert witness.told[4:] == ["before 3", "after 3"]


def test_a_statement_that_is_not_to_be_handled_never_reaches_the_server(instance: StandaloneInstance) -> None:
    instance.plane.witness = Recorder(unhandled=2)

    connection = instance.connect("bob", "bob-password")
    connection.autocommit = True
    with pytest.raises(psycopg.OperationalError):
        connection.execute("CREATE TABLE never (id int)")

    connection.close()
    with instance.superuser() as superuser:
        assert superuser.execute("SELECT to_regclass('never')").fetchone() == (None,)
