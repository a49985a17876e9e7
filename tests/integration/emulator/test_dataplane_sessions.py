"""What becomes of sessions on the data plane, and users that come and go meanwhile."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from cloudsql_emulator.standalone import CHECKOUT, StandaloneGround, StandaloneInstance, standalone_ground
from e2e.waiting import eventually

SLEEP = "SELECT pg_sleep(600)"


@pytest.fixture(scope="module")
def ground() -> Iterator[StandaloneGround]:
    with standalone_ground() as ground:
        yield ground


@pytest.fixture
def instance(ground: StandaloneGround) -> Iterator[StandaloneInstance]:
    with ground.instance() as instance:
        yield instance


def runs(instance: StandaloneInstance, query: str) -> bool:
    """Whether a session is at this query now."""
    asked = "SELECT FROM pg_stat_activity WHERE state = 'active' AND query = %s"
    with instance.superuser() as superuser:
        return superuser.execute(asked, (query,)).fetchone() is not None


def test_a_rotated_server_authority_is_what_new_clients_have_to_trust(
    instance: StandaloneInstance, tmp_path: Path
) -> None:
    former = tmp_path / "former-ca.pem"
    former.write_text(instance.certificates.server_ca_pem)

    instance.certificates.rotate_server_authority()

    assert "certificate verify failed" in instance.refusal("bob", "bob-password", sslrootcert=str(former))
    instance.connect("bob", "bob-password").close()


def test_a_groups_member_gets_its_user_at_the_first_login(instance: StandaloneInstance) -> None:
    assert not instance.loop.run(instance.server.role_exists("newcomer@example.com"))

    with instance.connect("newcomer@example.com", "newcomer-token") as connection:
        row = connection.execute("SELECT pg_has_role('cloudsqliamgroupuser', 'MEMBER')").fetchone()
    instance.loop.run(instance.server.drop_user("newcomer@example.com"))

    assert row == (True,)


def test_a_member_of_no_group_gets_no_user(instance: StandaloneInstance) -> None:
    instance.google.group_members.clear()

    said = instance.refusal("newcomer@example.com", "newcomer-token")

    assert 'password authentication failed for user "newcomer@example.com"' in said
    assert not instance.loop.run(instance.server.role_exists("newcomer@example.com"))


def test_a_deleted_users_open_session_goes_on_and_a_new_one_is_refused(instance: StandaloneInstance) -> None:
    instance.loop.run(instance.server.create_builtin_user("leaver", "leaver-password"))

    with instance.connect("leaver", "leaver-password") as connection:
        instance.loop.run(instance.server.drop_user("leaver"))

        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert 'password authentication failed for user "leaver"' in instance.refusal("leaver", "leaver-password")


def test_a_query_is_cancelled_through_the_data_plane(instance: StandaloneInstance) -> None:
    with instance.connect("bob", "bob-password") as connection, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(connection.execute, SLEEP)
        eventually(lambda: runs(instance, SLEEP), "the query runs")

        connection.cancel_safe(timeout=60)

        with pytest.raises(psycopg.errors.QueryCanceled):
            asked.result(60)


def test_megabytes_pass_both_ways_unharmed(instance: StandaloneInstance) -> None:
    text = "0123456789abcdef" * 500_000

    with instance.connect("bob", "bob-password") as connection:
        row = connection.execute("SELECT %s || '!', length(%s)", (text, text)).fetchone()

    assert row == (text + "!", 8_000_000)


def test_many_sessions_run_at_a_time(instance: StandaloneInstance) -> None:
    with contextlib.ExitStack() as stack:
        sessions = [
            stack.enter_context(instance.connect("checkout@acme.iam", "checkout-token", application_name=f"n{number}"))
            for number in range(40)
        ]

        names = {session.execute("SHOW application_name").fetchone() for session in sessions}

    assert names == {(f"n{number}",) for number in range(40)}


def test_an_abrupt_end_of_a_client_ends_its_session_in_postgresql(instance: StandaloneInstance) -> None:
    with instance.tunnel(CHECKOUT) as tunnel:
        tunnel.log_in("checkout@acme.iam", "orders")
        eventually(lambda: instance.sessions_of("checkout@acme.iam") == 1, "sessions of other tests have ended")

    eventually(lambda: instance.sessions_of("checkout@acme.iam") == 0, "its session has ended")


def test_a_client_that_stops_sending_still_gets_its_answer(instance: StandaloneInstance) -> None:
    with socket.create_connection((instance.plane.address, 5432), timeout=60) as client:
        client.sendall(struct.pack("!II", 18, 196608) + b"user\0bob\0\0")
        client.shutdown(socket.SHUT_WR)

        assert client.recv(1) == b"R"


def test_stopping_the_data_plane_ends_every_session(instance: StandaloneInstance) -> None:
    connection = instance.connect("bob", "bob-password")

    instance.loop.run(instance.plane.stop())

    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    eventually(lambda: instance.sessions_of("bob") == 0, "its session has ended")


def test_a_data_plane_that_was_stopped_starts_again(instance: StandaloneInstance) -> None:
    instance.loop.run(instance.plane.stop())
    with pytest.raises(psycopg.OperationalError):
        instance.connect("bob", "bob-password")

    instance.loop.run(instance.plane.start())

    instance.connect("bob", "bob-password").close()
