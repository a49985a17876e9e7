"""Logs in through the Python connector by automatic IAM authentication; CONNECTION_NAME USER DATABASE; prints who."""

import sys

import psycopg
from google.cloud.sql.connector import Connector, RefreshStrategy


def main(instance: str, user: str, database: str) -> int:
    """0 when the session was let in."""
    try:
        with Connector(refresh_strategy=RefreshStrategy.LAZY) as connector:
            connection: psycopg.Connection = connector.connect(
                instance, "psycopg", user=user, db=database, enable_iam_auth=True
            )
            with connection:
                row = connection.execute("SELECT session_user").fetchone()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test reads it
        print(error, file=sys.stderr)
        return 1
    print(row[0] if row else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
