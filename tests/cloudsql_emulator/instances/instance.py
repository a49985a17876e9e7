"""One emulated instance: its settings as they are now, and the parts that it runs."""

from collections.abc import Mapping
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

    def in_force(self) -> InstanceSettings:
        """What the data plane needs of the settings."""
        network: Mapping[str, Any] = self.settings.get("ipConfiguration") or {}
        return InstanceSettings(
            ssl_mode=network.get("sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
            connector_enforcement=self.settings.get("connectorEnforcement", "NOT_REQUIRED"),
            iam_authentication=self.flags.get(IAM_FLAG) == "on",
            running=self.is_running,
        )
