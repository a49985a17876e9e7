"""The users of the emulated project acme-prod: how tests make them, are refused them, and leave none behind."""

from typing import Any

import psycopg
import pytest
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import (
    ADMIN,
    CHECKOUT_NAME,
    CONNECTION_NAME,
    INSTANCE,
    PROJECT,
)
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.emulator import Emulator

PLACE = {"project": PROJECT, "instance": INSTANCE}
CHECKOUT_USER = {"name": CHECKOUT_NAME, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}


def restore(emulator: Emulator) -> None:
    """Start the instance at its ordinary pace and delete the users that a test made."""
    emulator.admin.set_pace()
    emulator.admin.start_instance(PROJECT, INSTANCE)
    admin = google_client(emulator, "sqladmin", "v1", ADMIN)
    for user in emulator.admin.users(PROJECT, INSTANCE):
        if user["name"] not in {"postgres", "sql-operator@acme-prod.iam"}:
            admin.users().delete(**PLACE, name=user["name"]).execute()


def superuser(emulator: Emulator) -> psycopg.Connection:
    return psycopg.connect(emulator.superuser_dsn(CONNECTION_NAME, "orders"), autocommit=True)


def refused(request: Any) -> tuple[int, str, str]:
    with pytest.raises(HttpError) as caught:
        request.execute()
    told = error_of(caught.value)
    return told["code"], told["errors"][0]["reason"], told["message"]


def insert(sql: Any, name: str, kind: str, **more: object) -> Any:
    return sql.users().insert(**PLACE, body={"name": name, "type": kind, **more})
