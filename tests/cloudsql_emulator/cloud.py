"""The whole state of one emulated Google Cloud, and what concerns several parts of it; no HTTP here."""

from collections.abc import Mapping
from dataclasses import replace

from cloudsql_emulator.api.journal import Happening, Journal
from cloudsql_emulator.api.quotas import Quotas
from cloudsql_emulator.clock import Clock
from cloudsql_emulator.config import Config, Project
from cloudsql_emulator.credentials.federation import Federation, providers
from cloudsql_emulator.credentials.keys import KeyRing
from cloudsql_emulator.faults.fault import Faults
from cloudsql_emulator.iam.access import Access
from cloudsql_emulator.iam.directory import Account, Directory
from cloudsql_emulator.iam.members import deleted_member
from cloudsql_emulator.iam.policies import PolicyStore
from cloudsql_emulator.iam.policy_rules import PolicyRules
from cloudsql_emulator.iam.role_catalog import RoleCatalog
from cloudsql_emulator.iam.tokens import TokenIssuer
from cloudsql_emulator.instances.changes import Changes
from cloudsql_emulator.instances.instance import Instance
from cloudsql_emulator.instances.operations import Operations
from cloudsql_emulator.switches import Switches
from cloudsql_emulator.witness import Witness


class Cloud:
    """Everything that exists, by a configuration; instances are added by who starts them."""

    def __init__(self, config: Config) -> None:
        self.clock = Clock()
        self.switches = Switches()
        self.propagation = replace(config.propagation)
        self.directory = Directory(self.clock, self.propagation)
        self.roles = RoleCatalog()
        self.policies = PolicyStore(self.clock, self.propagation)
        self.access = Access(self.policies, self.directory, self.roles, self.clock, self._on_unknown_condition)
        self.keys = KeyRing()
        self.tokens = TokenIssuer(self.clock, self.directory, self.keys)
        self.journal = Journal()
        self.faults = Faults()
        self.witness = Witness()
        self.quotas = Quotas()
        self.operations = Operations(self.clock)
        self.changes = Changes(self.clock, self.switches)
        self.projects: Mapping[str, Project] = {project.id: project for project in config.projects}
        named = providers(config.providers, {project.id: project.number for project in config.projects})
        self.federation = Federation(self.clock, self.keys, self.tokens, named)
        self.rules = PolicyRules(self.directory, self.roles, frozenset(self.projects), self.switches)
        self.instances: dict[tuple[str, str], Instance] = {}
        self._populate(config)

    def record(self, happening: Happening) -> None:
        """Note something in the journal, now."""
        self.journal.record(self.clock.now(), happening)

    def project(self, name: str) -> Project | None:
        """A project by its id or number; None when there is none."""
        found = self.projects.get(name)
        return found or next((project for project in self.projects.values() if project.number == name), None)

    def instance(self, project: str, name: str) -> Instance | None:
        """An instance by its name, or by `region~name` as JDBC clients write it."""
        region, _, short = name.rpartition("~")
        found = self.instances.get((project, short))
        return found if found is not None and region in {"", found.config.region} else None

    def add_service_account(self, email: str) -> Account:
        """Create a service account, in the project that its address names."""
        return self.directory.add("serviceAccount", email, self.project_of(email))

    def project_of(self, email: str) -> str:
        """The id of the project that a service account's address names.

        That of `example.com:acme` is NAME@acme.example.com.iam.gserviceaccount.com.
        Source: IAM, "Types of service accounts"
        """
        domain = email.partition("@")[2]
        if domain == "developer.gserviceaccount.com":
            number = email.partition("-")[0]
            return next((project.id for project in self.projects.values() if project.number == number), "")
        project, dot, scope = domain.removesuffix(".iam.gserviceaccount.com").partition(".")
        return f"{scope}:{project}" if dot else project

    def delete_account(self, member: str) -> None:
        """Remove somebody: tokens end, policies keep the name as a deleted one.

        Raises:
            NoSuchAccount: there is nobody.
        """
        account = self.directory.delete(member)
        self.tokens.revoke_all(account.member)
        self.keys.forget(account.email)
        self.policies.rename_member(account.member, deleted_member(account.member, account.uid))

    def account_policy(self, account: Account) -> str:
        """The name under which a service account's policy is kept."""
        return f"projects/{account.project}/serviceAccounts/{account.email}"

    def _on_unknown_condition(self, text: str) -> None:
        self.record(Happening("condition", "", "condition.unknown", detail=text))

    def _populate(self, config: Config) -> None:
        for name, value in config.switches.items():
            self.switches.turn(name, value)
        for email in config.users:
            self.directory.add("user", email)
        for account in config.service_accounts:
            self.add_service_account(account.email)
        for group in config.groups:
            self.directory.add("group", group.email)
        for group in config.groups:
            for member in group.members:
                self.directory.join(f"group:{group.email}", member, at_once=True)
        for role in config.custom_roles:
            self.roles.define(role.name, frozenset(role.permissions))
        self._populate_policies(config)

    def _populate_policies(self, config: Config) -> None:
        for project in config.projects:
            self.policies.write(f"projects/{project.id}", project.policy or {"version": 1}, at_once=True)
        for each in config.service_accounts:
            account = self.directory.account(f"serviceAccount:{each.email}")
            self.policies.write(self.account_policy(account), each.policy or {"version": 1}, at_once=True)
