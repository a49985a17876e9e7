"""Instances, their addresses, names and certificates as the Admin API shows them."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from cloudsql_emulator.api.call import Json
from cloudsql_emulator.certificates import IssuedCertificate, ServerCertificate
from cloudsql_emulator.clock import rfc3339
from cloudsql_emulator.config import Project
from cloudsql_emulator.instances.instance import Instance

_CONNECTION_TYPE = {"PRIMARY": "PUBLIC", "PRIVATE": "PRIVATE_SERVICES_ACCESS"}


def instance_json(instance: Instance, project: Project, replicas: list[Instance]) -> Json:
    """A whole instance. There is no state STOPPED: one that was stopped is RUNNABLE with activationPolicy NEVER."""
    told: Json = {
        "kind": "sql#instance",
        "name": instance.name,
        "project": instance.project,
        "region": instance.config.region,
        "gceZone": f"{instance.config.region}-b",
        "state": "RUNNABLE",
        "databaseVersion": instance.database_version,
        "databaseInstalledVersion": f"{instance.database_version}_1",  # GUESS: how minor versions are written
        "backendType": "SECOND_GEN",
        "instanceType": "READ_REPLICA_INSTANCE" if instance.config.replica_of else "CLOUD_SQL_INSTANCE",
        "connectionName": instance.connection_name,
        "createTime": rfc3339(instance.certificates.server_ca.begins),
        "etag": hashlib.sha256(repr((instance.settings, instance.flags)).encode()).hexdigest(),
        "ipAddresses": addresses(instance),
        "serverCaCert": server_ca(instance, instance.certificates.server_ca),
        "serviceAccountEmailAddress": f"p{project.number}-abcdef@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "selfLink": f"https://sqladmin.googleapis.com/v1/{instance.resource.name}",
        "replicaNames": [each.name for each in replicas],
        "settings": _settings(instance),
        **_names(instance),
    }
    if instance.config.replica_of:
        told["masterInstanceName"] = f"{instance.project}:{instance.config.replica_of}"
    if instance.psc_enabled:
        told["pscServiceAttachmentLink"] = (
            f"projects/tenant/regions/{instance.config.region}/serviceAttachments/{instance.name}-psc"
        )
    return told


def connect_settings_json(instance: Instance) -> Json:
    """What a connector needs to find and to verify an instance."""
    return {
        "kind": "sql#connectSettings",
        "region": instance.config.region,
        "databaseVersion": instance.database_version,
        "backendType": "SECOND_GEN",
        "ipAddresses": addresses(instance),
        "serverCaCert": server_ca(instance, instance.certificates.server_ca),
        "serverCaMode": instance.network["serverCaMode"],
        "pscEnabled": instance.psc_enabled,
        **(_names(instance) or {"dnsName": ""}),
    }


def addresses(instance: Instance) -> list[Json]:
    """The instance's one address under each kind that its network settings ask for."""
    return [{"type": kind, "ipAddress": instance.address} for kind in instance.address_types]


def server_ca(instance: Instance, authority: ServerCertificate) -> Json:
    """A server authority's certificate."""
    return {
        "kind": "sql#sslCert",
        "certSerialNumber": "0",
        "commonName": authority.common_name,
        "cert": authority.pem,
        "createTime": rfc3339(authority.begins),
        "expirationTime": rfc3339(authority.ends),
        "sha1Fingerprint": authority.sha1_fingerprint,
        "instance": instance.name,
    }


def certificate_json(instance: Instance, issued: IssuedCertificate) -> Json:
    """A client's certificate."""
    return {
        "kind": "sql#sslCert",
        "certSerialNumber": issued.serial,
        "cert": issued.pem,
        "commonName": issued.common_name,
        "createTime": rfc3339(issued.create_time),
        "expirationTime": rfc3339(issued.expiration_time),
        "sha1Fingerprint": issued.sha1_fingerprint,
        "instance": instance.name,
    }


def _names(instance: Instance) -> Json:
    """DNS names, of instances that have any: with CAS as their authority, or by Private Service Connect."""
    if not instance.dns_name:
        return {}
    dotted = f"{instance.dns_name}."
    return {"dnsName": dotted, "dnsNames": [_mapping(dotted, kind) for kind in _connection_types(instance)]}


def _mapping(name: str, kind: str) -> Json:
    return {"name": name, "connectionType": kind, "dnsScope": "INSTANCE"}


def _connection_types(instance: Instance) -> Iterator[str]:
    if instance.psc_enabled:
        yield "PRIVATE_SERVICE_CONNECT"
    if instance.has_cas_authority:
        yield from (_CONNECTION_TYPE[kind] for kind in instance.address_types)


def _settings(instance: Instance) -> Mapping[str, Any]:
    flags = [{"name": name, "value": value} for name, value in sorted(instance.flags.items())]
    return {
        "kind": "sql#settings",
        "settingsVersion": str(instance.settings_version),
        "tier": "db-custom-1-3840",
        "edition": "ENTERPRISE",
        "availabilityType": "ZONAL",
        "activationPolicy": "ALWAYS",
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "pricingPlan": "PER_USE",
        **instance.settings,
        "ipConfiguration": instance.network,
        "databaseFlags": flags,
    }
