"""A client of the emulator's control port, for tests in this process or in another; needs only the standard library."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECONDS = 60.0


class ControlRefused(Exception):
    """The emulator has no such control, or nothing of the name that was given."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One thing that was asked of the emulated Google; fields are those of api.journal.Happening, `write` is told."""

    number: int
    time: str
    kind: str
    caller: str
    method: str
    path: str
    summary: Any
    status: int
    permissions: tuple[str, ...]
    detail: str
    quota_project: str
    write: bool


class AdminClient:
    """All controls, typed. Instances are named by project and name, members as in IAM policies."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def addresses(self) -> dict[str, str]:
        """Where everything listens: `api`, `metadata` (host:port), `control`, and each instance by connection name."""
        return dict(self._ask("addresses"))

    # --- what was asked -----------------------------------------------------

    def journal(
        self, *, since: int = 0, kind: str | None = None, method: str | None = None, caller: str | None = None
    ) -> list[JournalEntry]:
        """What happened after entry `since`, oldest first; of one kind, discovery id or caller when given."""
        listed = [JournalEntry(**{**each, "permissions": tuple(each["permissions"])}) for each in self._journal(since)]
        return [
            entry
            for entry in listed
            if kind in {None, entry.kind} and method in {None, entry.method} and caller in {None, entry.caller}
        ]

    def writes(self, *, since: int = 0, caller: str | None = None) -> list[JournalEntry]:
        """Calls that change what an administrator sees: users and policies; refused ones too."""
        return [entry for entry in self.journal(since=since, caller=caller) if entry.write]

    def position(self) -> int:
        """The number of the newest entry, for `since`."""
        return max((entry.number for entry in self.journal()), default=0)

    def clear_journal(self) -> None:
        """Forget what was asked; numbers go on."""
        self._ask("clear_journal")

    # --- how calls go -------------------------------------------------------

    def add_fault(self, match: str, **fault: Any) -> None:
        """Have calls meet a fault; `match` is a regular expression, other fields are those of faults.fault.Fault."""
        self._ask("add_fault", match=match, **fault)

    def answer(self, match: str, answer: str, *, times: int | None = None, **fault: Any) -> None:
        """Answer calls with one of faults.answers.ANSWERS, `times` or until faults are cleared; see `add_fault`."""
        self._ask("answer", match=match, answer=answer, times=times, **fault)

    def clear_faults(self) -> None:
        """Have no faults."""
        self._ask("clear_faults")

    def set_quotas(self, limits: Mapping[str, int]) -> None:
        """Limit calls a minute by metric, see api.quotas; {} lifts all limits."""
        self._ask("set_quotas", limits=dict(limits))

    def set_propagation(self, *, grants: float = 0, revocations: float = 0, memberships: float = 0) -> None:
        """Seconds until changes of policies and groups act."""
        self._ask("set_propagation", grants=grants, revocations=revocations, memberships=memberships)

    def set_pace(self, **pace: Any) -> None:
        """How operations go, see instances.operations.Pace; without arguments at once and well."""
        self._ask("set_pace", **pace)

    def occupy(self, project: str, instance: str) -> None:
        """Have an operation run on an instance until `release`."""
        self._ask("occupy", project=project, instance=instance)

    def release(self, project: str, instance: str) -> None:
        """End that operation."""
        self._ask("release", project=project, instance=instance)

    def set_switch(self, name: str, value: Any) -> None:
        """Have a behaviour that is not known for certain otherwise, see switches.Switches."""
        self._ask("set_switch", name=name, value=value)

    def advance_clock(self, seconds: float) -> None:
        """Let time pass for tokens, conditions and propagation."""
        self._ask("advance_clock", seconds=seconds)

    def set_token_life(self, told: float = 3600, good: float = 3600) -> None:
        """Have new tokens say that they live `told` seconds, and all be good so much shorter than that as `good` is.

        Clients renew tokens minutes before their end: so they do in seconds, and what they renewed ends soon after.
        """
        self._ask("set_token_life", told=told, good=good)

    # --- instances ----------------------------------------------------------

    def set_flag(self, project: str, instance: str, name: str, value: str | None) -> None:
        """Set a database flag; None takes it away."""
        self._ask("set_flag", project=project, instance=instance, name=name, value=value)

    def drop_iam_system_roles(self, project: str, instance: str) -> None:
        """Make an instance like one that never had cloudsql.iam_authentication."""
        self._ask("drop_iam_system_roles", project=project, instance=instance)

    def stop_instance(self, project: str, instance: str) -> None:
        """Stop an instance as its owner would; sessions are cut."""
        self.set_settings(project, instance, {"activationPolicy": "NEVER"})

    def start_instance(self, project: str, instance: str) -> None:
        """Start it again."""
        self.set_settings(project, instance, {"activationPolicy": "ALWAYS"})

    def set_settings(self, project: str, instance: str, settings: Mapping[str, Any]) -> None:
        """Change settings as the Admin API names them: activationPolicy, ipConfiguration, connectorEnforcement …."""
        self._ask("set_settings", project=project, instance=instance, settings=dict(settings))

    def rotate_server_ca(self, project: str, instance: str) -> None:
        """Give an instance a new server authority at once."""
        self._ask("rotate_server_ca", project=project, instance=instance)

    def users(self, project: str, instance: str) -> list[dict[str, Any]]:
        """Database users: name, type, status (groups), roles (direct memberships)."""
        return list(self._ask("users", project=project, instance=instance))

    # --- who there is -------------------------------------------------------

    def add_principal(self, kind: str, email: str) -> str:
        """Create a `user`, `group` or `serviceAccount`; its IAM member."""
        return str(self._ask("add_principal", kind=kind, email=email))

    def delete_principal(self, member: str) -> None:
        """Delete somebody; policies call it `deleted:…?uid=…` from then on."""
        self._ask("delete_principal", member=member)

    def join_group(self, group: str, member: str) -> None:
        """Make a member one of a group, which is named by its address."""
        self._ask("join_group", group=group, member=member)

    def leave_group(self, group: str, member: str) -> None:
        """Take a member out of a group."""
        self._ask("leave_group", group=group, member=member)

    # --- what they may ------------------------------------------------------

    def define_role(self, name: str, permissions: Sequence[str]) -> None:
        """Make or change a custom role, `projects/P/roles/ID`."""
        self._ask("define_role", name=name, permissions=list(permissions))

    def forget_role(self, name: str) -> None:
        """Take a custom role away, so that its name is free."""
        self._ask("forget_role", name=name)

    def policy(self, resource: str) -> dict[str, Any]:
        """A policy as stored, by `projects/P` or `projects/P/serviceAccounts/EMAIL`; order and text are kept."""
        return dict(self._ask("policy", resource=resource))

    def set_policy(self, resource: str, policy: Mapping[str, Any]) -> dict[str, Any]:
        """Replace a policy, whatever its etag and members."""
        return dict(self._ask("set_policy", resource=resource, policy=dict(policy)))

    def add_binding(self, resource: str, role: str, member: str, condition: Mapping[str, Any] | None = None) -> None:
        """Add one binding at the end of a policy."""
        policy = self.policy(resource)
        binding: dict[str, Any] = {"role": role, "members": [member]}
        if condition:
            binding["condition"] = dict(condition)
        self.set_policy(resource, {**policy, "bindings": [*policy.get("bindings", []), binding]})

    def remove_member(self, resource: str, member: str, role: str | None = None) -> None:
        """Take a member out of every binding, or of those of one role; bindings left empty go too."""
        policy = self.policy(resource)
        bindings = [
            {**each, "members": [name for name in each["members"] if name != member]}
            if role in {None, each["role"]}
            else each
            for each in policy.get("bindings", [])
        ]
        self.set_policy(resource, {**policy, "bindings": [each for each in bindings if each["members"]]})

    def holds(self, member: str, permission: str, project: str, instance: str) -> bool:
        """Whether a member may do something on an instance at this moment."""
        return bool(self._ask("holds", member=member, permission=permission, project=project, instance=instance))

    def mint_token(self, member: str, scopes: Sequence[str] | None = None, lifetime: float = 3600) -> str:
        """An access token for a member, with the scope cloud-platform unless told otherwise."""
        told: dict[str, Any] = {} if scopes is None else {"scopes": list(scopes)}
        return str(self._ask("mint_token", member=member, lifetime=lifetime, **told))

    def tokens_issued(self) -> dict[str, int]:
        """How many access tokens each member was given, by whatever way."""
        return dict(self._ask("tokens_issued"))

    def new_key(self, email: str) -> dict[str, str]:
        """A service account's key file, to be written for GOOGLE_APPLICATION_CREDENTIALS."""
        return dict(self._ask("new_key", email=email))

    def subject_token(self, audience: str, subject: str, lifetime: float = 3600) -> str:
        """A token of a workload identity provider; `audience` is `//iam.googleapis.com/projects/N/…/providers/ID`."""
        return str(self._ask("subject_token", audience=audience, subject=subject, lifetime=lifetime))

    def _journal(self, since: int) -> list[dict[str, Any]]:
        return list(self._ask("journal", since=since))

    def _ask(self, control: str, /, **arguments: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/emulator/v1/{control}",
            data=json.dumps(arguments).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        # no proxy of the environment's: the port is on this machine
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=SECONDS) as response:
                return json.load(response)["result"]
        except urllib.error.HTTPError as error:
            raise ControlRefused(f"{control}: {json.load(error).get('error')}") from error
