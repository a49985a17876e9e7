"""Instances in full: addresses, names, authorities, replicas, databases and what changes them."""

import dataclasses
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from cryptography import x509
from googleapiclient.errors import HttpError

from cloudsql_emulator.acme import ADMIN, CHECKOUT_NAME, CONNECTION_NAME, INSTANCE, PROJECT, STRANGER, acme
from cloudsql_emulator.clients import error_of, google_client
from cloudsql_emulator.config import Instance
from cloudsql_emulator.emulator import Emulator

OTHER = f"{PROJECT}:europe-west1:ledger"
PRIVATE = {
    "ipConfiguration": {
        "ipv4Enabled": False,
        "privateNetwork": f"projects/{PROJECT}/global/networks/default",
        "pscConfig": {"pscEnabled": True, "allowedConsumerProjects": [PROJECT]},
        "serverCaMode": "GOOGLE_MANAGED_CAS_CA",
    }
}
WHERE = {"project": PROJECT, "instance": INSTANCE}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    plain = acme()
    ledger = Instance(PROJECT, "europe-west1", "ledger", settings=PRIVATE, replica_of=INSTANCE)
    with Emulator(dataclasses.replace(plain, instances=(*plain.instances, ledger))) as emulator:
        yield emulator


@pytest.fixture
def sql(emulator: Emulator) -> Any:
    return google_client(emulator, "sqladmin", "v1", ADMIN)


def message(request: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        request.execute()
    told = error_of(caught.value)
    return told["code"], told["message"]


def patched(sql: Any, **settings: Any) -> Any:
    done = sql.instances().patch(**WHERE, body={"settings": settings}).execute()
    assert (done["operationType"], done["status"]) == ("UPDATE", "DONE")
    return sql.instances().get(**WHERE).execute()


def test_an_instance_has_one_address_unless_told_otherwise(emulator: Emulator, sql: Any) -> None:
    found = sql.instances().get(**WHERE).execute()

    assert found["ipAddresses"] == [{"type": "PRIMARY", "ipAddress": emulator.instance_address(CONNECTION_NAME)}]
    assert found["settings"]["ipConfiguration"]["serverCaMode"] == "GOOGLE_MANAGED_INTERNAL_CA"
    assert (found["instanceType"], found["replicaNames"]) == ("CLOUD_SQL_INSTANCE", ["ledger"])
    assert "dnsName" not in found


def test_a_private_instance_with_cas_has_names(emulator: Emulator, sql: Any) -> None:
    found = sql.instances().get(project=PROJECT, instance="ledger").execute()
    settings = sql.connect().get(project=PROJECT, instance="ledger").execute()

    assert found["ipAddresses"] == [{"type": "PRIVATE", "ipAddress": emulator.instance_address(OTHER)}]
    assert (found["instanceType"], found["masterInstanceName"]) == ("READ_REPLICA_INSTANCE", f"{PROJECT}:{INSTANCE}")
    assert found["dnsName"].endswith(".europe-west1.sql.goog.")
    assert (settings["serverCaMode"], settings["pscEnabled"]) == ("GOOGLE_MANAGED_CAS_CA", True)
    kinds = [(each["name"], each["connectionType"]) for each in settings["dnsNames"]]
    assert kinds == [
        (found["dnsName"], "PRIVATE_SERVICE_CONNECT"),
        (found["dnsName"], "PRIVATE_SERVICES_ACCESS"),
    ]


def test_a_cas_certificate_is_verified_by_its_name(emulator: Emulator, sql: Any) -> None:
    settings = sql.connect().get(project=PROJECT, instance="ledger").execute()
    context = ssl.create_default_context(cadata=settings["serverCaCert"]["cert"])
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    with socket.create_connection((emulator.instance_address(OTHER), 5432), timeout=30) as plain:
        plain.sendall((8).to_bytes(4, "big") + (80877103).to_bytes(4, "big"))
        assert plain.recv(1) == b"S"
        with context.wrap_socket(plain, server_hostname=settings["dnsName"].rstrip(".")) as encrypted:
            assert encrypted.version() == "TLSv1.3"


def test_a_servers_authority_is_told_in_full(sql: Any) -> None:
    told = sql.instances().get(**WHERE).execute()["serverCaCert"]
    listed = sql.instances().listServerCas(**WHERE).execute()

    certificate = x509.load_pem_x509_certificate(told["cert"].encode())
    assert told["expirationTime"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    assert len(told["sha1Fingerprint"]) == 40
    assert listed["certs"] == [told]
    assert listed["activeVersion"] == told["sha1Fingerprint"]


def test_a_changed_ca_mode_changes_the_authority(emulator: Emulator, sql: Any) -> None:
    before = sql.connect().get(**WHERE).execute()

    after = patched(sql, ipConfiguration={"serverCaMode": "CUSTOMER_MANAGED_CAS_CA"})
    settings = sql.connect().get(**WHERE).execute()
    patched(sql, ipConfiguration={"serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA"})

    assert settings["serverCaCert"]["cert"] != before["serverCaCert"]["cert"]
    assert after["settings"]["ipConfiguration"]["ipv4Enabled"] is True
    assert settings["serverCaMode"] == "CUSTOMER_MANAGED_CAS_CA"
    assert emulator.admin.writes()[-1].method == "sql.instances.patch"


def test_a_patch_replaces_flags_and_leaves_other_settings(sql: Any) -> None:
    before = sql.instances().get(**WHERE).execute()["settings"]

    after = patched(sql, databaseFlags=[{"name": "log_connections", "value": "on"}])["settings"]
    patched(sql, databaseFlags=before["databaseFlags"])

    assert after["databaseFlags"] == [{"name": "log_connections", "value": "on"}]
    assert after["ipConfiguration"] == before["ipConfiguration"]
    assert int(after["settingsVersion"]) > int(before["settingsVersion"])
    bad = sql.instances().patch(**WHERE, body={"settings": {"databaseFlags": [{"name": "nope", "value": "1"}]}})
    assert message(bad) == (400, "Invalid request: Invalid flag: nope is not supported.")


def test_a_restart_cuts_sessions(emulator: Emulator, sql: Any) -> None:
    address = emulator.instance_address(CONNECTION_NAME)
    how = f"host={address} user=postgres password=postgres-password dbname=orders sslmode=require"
    with psycopg.connect(how, autocommit=True) as connection:
        done = sql.instances().restart(**WHERE).execute()

        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

    assert (done["operationType"], done["status"]) == ("RESTART", "DONE")
    psycopg.connect(how).close()


def test_databases_are_made_listed_and_dropped(sql: Any) -> None:
    made = sql.databases().insert(**WHERE, body={"name": "extra"}).execute()
    names = [each["name"] for each in sql.databases().list(**WHERE).execute()["items"]]
    one = sql.databases().get(**WHERE, database="extra").execute()
    again = message(sql.databases().insert(**WHERE, body={"name": "extra"}))
    dropped = sql.databases().delete(**WHERE, database="extra").execute()

    assert (made["operationType"], dropped["operationType"]) == ("CREATE_DATABASE", "DELETE_DATABASE")
    assert names == ["extra", "orders", "postgres"]
    assert (one["kind"], one["charset"]) == ("sql#database", "UTF8")
    assert again == (400, 'Invalid request: failed to create database "extra": database "extra" already exists')
    assert message(sql.databases().get(**WHERE, database="extra"))[0] == 404


def test_a_replica_takes_no_users_and_no_databases(sql: Any) -> None:
    replica = {"project": PROJECT, "instance": "ledger"}
    user = {"name": CHECKOUT_NAME, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}

    for request in (
        sql.users().insert(**replica, body=user),
        sql.users().delete(**replica, name="x"),
        sql.databases().insert(**replica, body={"name": "extra"}),
    ):
        assert message(request) == (400, "Invalid request: Invalid operation: the instance is a read replica.")
    assert "items" in sql.users().list(**replica).execute()


def test_flags_and_tiers_are_listed(sql: Any) -> None:
    flags = {each["name"] for each in sql.flags().list(databaseVersion="POSTGRES_17").execute()["items"]}

    assert "cloudsql.iam_authentication" in flags
    assert sql.tiers().list(project=PROJECT).execute()["items"]


def test_no_operation_here_can_be_cancelled(emulator: Emulator, sql: Any) -> None:
    done = sql.instances().restart(**WHERE).execute()

    assert message(sql.operations().cancel(project=PROJECT, operation=done["name"]))[0] == 400


def test_strangers_change_nothing(emulator: Emulator) -> None:
    strangers = google_client(emulator, "sqladmin", "v1", STRANGER)

    for request in (
        strangers.instances().patch(**WHERE, body={"settings": {}}),
        strangers.instances().restart(**WHERE),
        strangers.databases().list(**WHERE),
        strangers.databases().delete(**WHERE, database="orders"),
        strangers.instances().listServerCas(**WHERE),
        strangers.tiers().list(project=PROJECT),
    ):
        assert message(request) == (403, "The client is not authorized to make this request.")
