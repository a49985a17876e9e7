"""Logs in through the Python connector as the variables of `iam.cloudsql.dev/inject: env` say, and prints who it is."""

import os

import psycopg
from google.cloud.sql.connector import Connector, RefreshStrategy

with Connector(refresh_strategy=RefreshStrategy.LAZY) as connector:
    session: psycopg.Connection = connector.connect(
        os.environ["INSTANCE_CONNECTION_NAME"],
        "psycopg",
        user=os.environ["DB_IAM_USER"],
        db=os.environ["DB_NAME"],
        ip_type=os.environ["DB_IP_TYPE"],
        enable_iam_auth=True,
    )
    with session:
        row = session.execute("SELECT session_user").fetchone()
print(row[0] if row else "")
