"""One emulated instance: its settings as they are now, and the parts that it runs."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cloudsql_emulator import config
from cloudsql_emulator.certificates import InstanceCertificates
from cloudsql_emulator.config import IAM_FLAG
from cloudsql_emulator.iam.access import instance_resource
from cloudsql_emulator.iam.conditions import Resource
from cloudsql_emulator.instances.users import Users
from cloudsql_emulator.login import InstanceSettings
from cloudsql_emulator.postgres import Server

INTERNAL_CA = "GOOGLE_MANAGED_INTERNAL_CA"


async def _no_sessions() -> None:
    """Of an instance that nobody hosts yet."""


@dataclass(slots=True)
class Instance:
    """An instance that runs, or is stopped by its owner; `address` is where both of its ports are."""

    config: config.Instance
    server: Server
    certificates: InstanceCertificates
    users: Users
    address: str = ""
    flags: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    settings_version: int = 1
    close_sessions: Callable[[], Awaitable[None]] = _no_sessions

    @property
    def project(self) -> str:
        """The project's id."""
        return self.config.project

    @property
    def name(self) -> str:
        """The instance's id."""
        return self.config.name

    @property
    def connection_name(self) -> str:
        """`project:region:instance`."""
        return f"{self.config.project}:{self.config.region}:{self.config.name}"

    @property
    def database_version(self) -> str:
        """Such as POSTGRES_17."""
        return f"POSTGRES_{self.server.version}"

    @property
    def is_running(self) -> bool:
        """Whether its owner has not stopped it."""
        return bool(self.settings.get("activationPolicy", "ALWAYS") != "NEVER")

    @property
    def resource(self) -> Resource:
        """The instance as conditions see it."""
        return instance_resource(self.project, self.name)

    @property
    def network(self) -> dict[str, Any]:
        """The settings' ipConfiguration, whole."""
        return {
            "ipv4Enabled": True,
            "requireSsl": False,
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
            "serverCaMode": INTERNAL_CA,
            "authorizedNetworks": [],
            **self.settings.get("ipConfiguration", {}),
        }

    @property
    def address_types(self) -> tuple[str, ...]:
        """Kinds of address: PRIMARY unless ipv4Enabled is false, PRIVATE with a privateNetwork."""
        network = self.network
        return tuple(
            kind
            for kind, has in {"PRIMARY": network["ipv4Enabled"], "PRIVATE": network.get("privateNetwork")}.items()
            if has
        )

    @property
    def psc_enabled(self) -> bool:
        """Whether it is reached by Private Service Connect."""
        return bool(self.network.get("pscConfig", {}).get("pscEnabled"))

    @property
    def has_cas_authority(self) -> bool:
        """Whether its server certificate is of Certificate Authority Service, Google's pool or a customer's."""
        return bool(self.network["serverCaMode"] != INTERNAL_CA)

    @property
    def dns_name(self) -> str:
        """Its DNS name, of those that have one; else ""."""
        if not (self.has_cas_authority or self.psc_enabled):
            return ""
        instance, project = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (self.name, self.project))
        return f"{instance}.{project}.{self.config.region}.sql.goog"

    @property
    def certificate_names(self) -> tuple[str, ...]:
        """DNS names in the server's certificate: only Certificate Authority Service puts any there."""
        custom = self.network.get("customSubjectAlternativeNames", [])
        return (self.dns_name, *custom) if self.has_cas_authority else ()

    def in_force(self) -> InstanceSettings:
        """What the data plane needs of the settings."""
        return InstanceSettings(
            ssl_mode=self.network["sslMode"],
            connector_enforcement=self.settings.get("connectorEnforcement", "NOT_REQUIRED"),
            iam_authentication=self.flags.get(IAM_FLAG) == "on",
            running=self.is_running,
        )
