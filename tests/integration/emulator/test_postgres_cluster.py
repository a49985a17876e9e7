"""Throw-away clusters on their own."""

import psycopg
import pytest

from cloudsql_emulator.cluster import Cluster, ClusterOptions, Statement


def test_a_cluster_answers_and_leaves_no_file_behind() -> None:
    with Cluster() as cluster, psycopg.connect(cluster.dsn()) as connection:
        directory = cluster.directory
        row = connection.execute("SELECT current_user, current_database()").fetchone()

    assert row == ("postgres", "postgres")
    assert not directory.exists()


def test_two_clusters_run_side_by_side() -> None:
    with Cluster() as first, Cluster() as second:
        with psycopg.connect(first.dsn()) as connection:
            connection.execute("CREATE TABLE only_here (x int)")

        with psycopg.connect(second.dsn()) as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_a_cluster_tells_the_statements_it_was_sent_in_order() -> None:
    with Cluster(ClusterOptions(log_statements=True)) as cluster:
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("CREATE ROLE reader")
            connection.execute("SELECT\n  %s::int", (1,))

        assert cluster.statements() == [
            Statement("postgres", "postgres", "CREATE ROLE reader"),
            Statement("postgres", "postgres", "SELECT\n  $1::int"),
        ]


def test_the_write_ahead_log_stands_still_while_nothing_is_written() -> None:
    with Cluster() as cluster:
        before = cluster.wal_position()
        with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
            connection.execute("SELECT 1")
            unchanged = cluster.wal_position()
            connection.execute("CREATE ROLE reader")
        after = cluster.wal_position()

    assert unchanged == before
    assert after != before


def test_a_cluster_that_cannot_start_says_why() -> None:
    cluster = Cluster(ClusterOptions(settings={"shared_buffers": "nonsense"}))

    with pytest.raises(RuntimeError, match="shared_buffers"):
        cluster.start()

    with pytest.raises(RuntimeError, match="not running"):
        _ = cluster.directory


def test_its_socket_is_closed_to_other_accounts() -> None:
    with Cluster() as cluster:
        mode = cluster.directory.stat().st_mode

    assert mode & 0o777 == 0o700
