"""Cloud SQL Admin API: flags.list and tiers.list, of which the emulator knows a few.

Source: Cloud SQL for PostgreSQL, "Configure database flags"
"""

from typing import Any

from cloudsql_emulator.api.call import Call, Handlers, Json
from cloudsql_emulator.api.sql.places import project_of
from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.config import IAM_FLAG

_POSTGRES = [f"POSTGRES_{version}" for version in range(14, 19)]
_ON_OFF: Json = {"type": "BOOLEAN", "allowedStringValues": ["on", "off"]}
FLAGS: dict[str, Json] = {
    IAM_FLAG: {**_ON_OFF, "requiresRestart": True},  # GUESS: whether it does
    "cloudsql.enable_pgaudit": {**_ON_OFF, "requiresRestart": True},
    "log_connections": {**_ON_OFF, "requiresRestart": False},
    "log_disconnections": {**_ON_OFF, "requiresRestart": False},
    "max_connections": {"type": "INTEGER", "minValue": "14", "maxValue": "262143", "requiresRestart": True},
}
_TIERS = {"db-f1-micro": (614_400_000, 3_298_534_883_328), "db-custom-1-3840": (4_026_531_840, 70_368_744_177_664)}


class SqlFlags:
    """The handlers."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @property
    def handlers(self) -> Handlers:
        """By discovery id."""
        return {"sql.flags.list": self.list_flags, "sql.tiers.list": self.list_tiers}

    async def list_flags(self, call: Call) -> Json:
        """Flags of a database version, or of all; it takes no permission."""
        version = call.queried("databaseVersion")
        items = [_flag_json(name, told) for name, told in FLAGS.items() if version in {"", *_POSTGRES}]
        return {"kind": "sql#flagsList", "items": items}

    async def list_tiers(self, call: Call) -> Json:
        """Machine types for a project."""
        project_of(call, self._cloud)
        items = [
            {"kind": "sql#tier", "tier": name, "RAM": str(ram), "DiskQuota": str(disk), "region": ["europe-west1"]}
            for name, (ram, disk) in _TIERS.items()
        ]
        return {"kind": "sql#tiersList", "items": items}


def check_flag(name: str, value: str) -> str | None:
    """What is wrong with a flag; None when all is well. GUESS: the words."""
    told = FLAGS.get(name)
    if told is None:
        return f"Invalid flag: {name} is not supported."
    allowed = told.get("allowedStringValues")
    return None if allowed is None or value in allowed else f"Invalid flag value {value!r} for {name}."


def _flag_json(name: str, told: dict[str, Any]) -> Json:
    return {"kind": "sql#flag", "name": name, "appliesTo": _POSTGRES, **told}
