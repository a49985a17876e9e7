"""What an owner changes on an instance: settings, flags, a restart; by the Admin API or by our own controls."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import Any

from cloudsql_emulator.clock import Clock
from cloudsql_emulator.config import IAM_FLAG
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.switches import Switches


class Changes:
    """Changes to instances; IAM system roles may follow later than the flag, as the switches say."""

    def __init__(self, clock: Clock, switches: Switches) -> None:
        self._clock = clock
        self._switches = switches
        self._tasks: set[asyncio.Task[None]] = set()

    async def set_flags(self, instance: Instance, flags: Mapping[str, str]) -> None:
        """Have these database flags and no others."""
        turned_on = flags.get(IAM_FLAG) == "on" and instance.flags.get(IAM_FLAG) != "on"
        instance.flags.clear()
        instance.flags.update(flags)
        instance.settings_version += 1
        if turned_on:
            await self._make_iam_roles(instance)

    async def set_settings(self, instance: Instance, settings: Mapping[str, Any]) -> None:
        """Change settings as the Admin API names them; others stay, within ipConfiguration too."""
        had_cas = instance.has_cas_authority
        network = {**instance.settings.get("ipConfiguration", {}), **settings.get("ipConfiguration", {})}
        instance.settings.update(settings)
        if network:
            instance.settings["ipConfiguration"] = network
        instance.settings_version += 1
        if instance.has_cas_authority != had_cas:
            instance.certificates.serve(instance.certificate_names)
        if not instance.is_running:
            await instance.close_sessions()

    async def restart(self, instance: Instance) -> None:
        """Cut every session; PostgreSQL itself goes on."""
        await instance.close_sessions()

    async def _make_iam_roles(self, instance: Instance) -> None:
        delay = self._switches.iam_roles_delay
        if not delay:
            await instance.server.create_iam_system_roles()
            return
        moment = self._clock.now() + dt.timedelta(seconds=delay)

        async def later() -> None:
            await self._clock.reached(moment)
            await instance.server.create_iam_system_roles()

        task = asyncio.create_task(later())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
