"""The emulator's own switches, as an administrator above Google would have them; HTTP is in `control_port`."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from cloudsql_emulator.cloud import Cloud
from cloudsql_emulator.faults.answers import ANSWERS
from cloudsql_emulator.faults.fault import Fault
from cloudsql_emulator.hosting import Host
from cloudsql_emulator.iam.access import instance_resource
from cloudsql_emulator.iam.directory import AccountKind
from cloudsql_emulator.iam.policies import Document
from cloudsql_emulator.iam.spans import Propagation
from cloudsql_emulator.iam.tokens import CLOUD_PLATFORM
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.operations import Pace


class Controls:
    """Every public coroutine is a control; its keyword arguments and its result are JSON."""

    def __init__(self, cloud: Cloud, hosts: Sequence[Host], addresses: Mapping[str, str]) -> None:
        self._cloud = cloud
        self._hosts = {(host.instance.project, host.instance.name): host for host in hosts}
        self._addresses = addresses

    async def addresses(self) -> Mapping[str, str]:
        """Where everything listens."""
        return self._addresses

    async def journal(self, since: int = 0) -> list[dict[str, Any]]:
        """Entries numbered above `since`."""
        return self._cloud.journal.entries(since)

    async def clear_journal(self) -> None:
        """Forget what was asked."""
        self._cloud.journal.clear()

    async def add_fault(self, **fault: Any) -> None:
        """Have one more fault; the fields are those of Fault."""
        self._cloud.faults.add(Fault(**fault))

    async def answer(self, match: str, answer: str, **fault: Any) -> None:
        """Have calls meet one of the ANSWERS; other fields are those of Fault."""
        self._cloud.faults.add(Fault(match, **{**ANSWERS[answer], **fault}))

    async def clear_faults(self) -> None:
        """Have no faults."""
        self._cloud.faults.clear()

    async def set_quotas(self, limits: Mapping[str, int]) -> None:
        """Limit calls a minute by metric; metrics that are not named are free."""
        self._cloud.quotas.limit(limits)

    async def set_propagation(self, **seconds: float) -> None:
        """Change how long changes take to act; those under way keep their time."""
        for name, value in dataclasses.asdict(Propagation(**seconds)).items():
            setattr(self._cloud.propagation, name, value)

    async def set_pace(self, **pace: Any) -> None:
        """Change how operations go; the fields are those of Pace."""
        self._cloud.operations.pace = Pace(**pace)

    async def occupy(self, project: str, instance: str) -> None:
        """Have an operation run on an instance until it is released."""
        self._cloud.operations.occupy(project, instance)

    async def release(self, project: str, instance: str) -> None:
        """End that operation."""
        self._cloud.operations.release(project, instance)

    async def set_switch(self, name: str, value: Any) -> None:
        """Have a behaviour that is not known for certain otherwise."""
        self._cloud.switches.turn(name, value)

    async def advance_clock(self, seconds: float) -> None:
        """Let time pass."""
        self._cloud.clock.advance(seconds)

    async def set_token_life(self, told: float, good: float) -> None:
        """Have tokens say that they live so long, and be good for so long."""
        self._cloud.tokens.lifetime = dt.timedelta(seconds=told)
        self._cloud.tokens.early = dt.timedelta(seconds=told - good)

    async def set_flag(self, project: str, instance: str, name: str, value: str | None) -> None:
        """Set a database flag, or take it away; the IAM system roles follow after their delay."""
        found = self._instance(project, instance)
        flags = {each: told for each, told in {**found.flags, name: value}.items() if told is not None}
        await self._cloud.changes.set_flags(found, flags)

    async def drop_iam_system_roles(self, project: str, instance: str) -> None:
        """Make an instance like one that never had the flag."""
        await self._instance(project, instance).server.drop_iam_system_roles()

    async def set_settings(self, project: str, instance: str, settings: Mapping[str, Any]) -> None:
        """Change settings as the Admin API names them, such as activationPolicy; others stay."""
        await self._cloud.changes.set_settings(self._instance(project, instance), settings)

    async def rotate_server_ca(self, project: str, instance: str) -> None:
        """Give an instance a new server authority at once."""
        self._instance(project, instance).certificates.rotate_server_authority()

    async def users(self, project: str, instance: str) -> list[dict[str, Any]]:
        """The database users of an instance, with their direct memberships."""
        return [dataclasses.asdict(user) for user in await self._instance(project, instance).users.listed()]

    async def add_principal(self, kind: AccountKind, email: str) -> str:
        """Create a user, group or service account; its IAM member."""
        if kind == "serviceAccount":
            return self._cloud.add_service_account(email).member
        return self._cloud.directory.add(kind, email).member

    async def delete_principal(self, member: str) -> None:
        """Delete somebody; policies call it deleted from then on."""
        self._cloud.delete_account(member)

    async def join_group(self, group: str, member: str) -> None:
        """Make an IAM member one of a group, which is named by its address."""
        self._cloud.directory.join(f"group:{group}", member)

    async def leave_group(self, group: str, member: str) -> None:
        """Take an IAM member out of a group."""
        self._cloud.directory.leave(f"group:{group}", member)

    async def define_role(self, name: str, permissions: Sequence[str]) -> None:
        """Make or change a custom role."""
        self._cloud.roles.define(name, frozenset(permissions))

    async def forget_role(self, name: str) -> None:
        """Take a custom role away, so that its name is free."""
        self._cloud.roles.forget(name)

    async def policy(self, resource: str) -> Document:
        """A policy as stored, by `projects/P` or `projects/P/serviceAccounts/EMAIL`."""
        return self._cloud.policies.read(resource)

    async def set_policy(self, resource: str, policy: Document) -> Document:
        """Replace a policy, whatever its etag and members."""
        return self._cloud.policies.write(resource, policy)

    async def holds(self, member: str, permission: str, project: str, instance: str) -> bool:
        """Whether a member may do something on an instance at this moment."""
        return self._cloud.access.holds(member, permission, instance_resource(project, instance))

    async def mint_token(self, member: str, scopes: Sequence[str] = (CLOUD_PLATFORM,), lifetime: float = 3600) -> str:
        """An access token for an IAM member."""
        return self._cloud.tokens.issue(member, scopes, dt.timedelta(seconds=lifetime)).value

    async def tokens_issued(self) -> Mapping[str, int]:
        """How many access tokens each IAM member was given."""
        return self._cloud.tokens.issued

    async def new_key(self, email: str) -> Mapping[str, str]:
        """A key file for a service account."""
        account = self._cloud.directory.account(f"serviceAccount:{email}")
        key = self._cloud.keys.add(account.email)
        return {
            "type": "service_account",
            "project_id": account.project or "",
            "private_key_id": key.id,
            "private_key": key.pem(),
            "client_email": account.email,
            "client_id": account.uid,
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": f"{self._addresses['api']}/token",
            "universe_domain": "googleapis.com",
        }

    async def subject_token(self, audience: str, subject: str, lifetime: float = 3600) -> str:
        """A token of an identity provider outside of Google, by the provider's full name."""
        return self._cloud.federation.subject_token(audience, subject, dt.timedelta(seconds=lifetime))

    def _instance(self, project: str, name: str) -> Instance:
        return self._hosts[project, name].instance
