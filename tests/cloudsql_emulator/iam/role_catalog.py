"""Roles and the permissions in them: the predefined ones that this project meets, and custom roles.

Source: "Cloud SQL roles and permissions", "IAM basic and predefined roles reference"
"""

_LOGIN = frozenset({"cloudsql.instances.executeSql", "cloudsql.instances.get", "cloudsql.instances.login"})
_CLIENT = frozenset({"cloudsql.instances.connect", "cloudsql.instances.get"})
_SQL_VIEWER = frozenset(
    {
        "cloudsql.databases.get",
        "cloudsql.databases.list",
        "cloudsql.instances.get",
        "cloudsql.instances.list",
        "cloudsql.users.get",
        "cloudsql.users.list",
        "resourcemanager.projects.get",
    }
)
_SQL_EDITOR = frozenset(
    {
        "cloudsql.databases.*",
        "cloudsql.instances.connect",
        "cloudsql.instances.get",
        "cloudsql.instances.list",
        "cloudsql.instances.restart",
        "cloudsql.instances.update",
        "cloudsql.users.list",
        "resourcemanager.projects.get",
    }
)
_POLICY_ADMIN = frozenset(
    {
        "resourcemanager.projects.get",
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    }
)
_ACCOUNT_VIEWER = frozenset({"iam.serviceAccounts.get", "iam.serviceAccounts.getIamPolicy", "iam.serviceAccounts.list"})
_TOKEN_CREATOR = frozenset({"iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken"})
_SIGNER = frozenset({"iam.serviceAccounts.signBlob", "iam.serviceAccounts.signJwt"})

PREDEFINED: dict[str, frozenset[str]] = {
    "roles/owner": frozenset({"cloudsql.*", "iam.*", "resourcemanager.*", "serviceusage.*"}),
    "roles/editor": _SQL_EDITOR
    | {"cloudsql.users.get", "iam.serviceAccounts.get", "iam.serviceAccounts.list", "serviceusage.services.use"},
    "roles/viewer": _SQL_VIEWER | {"iam.serviceAccounts.get", "iam.serviceAccounts.list"},
    "roles/browser": frozenset({"resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy"}),
    "roles/cloudsql.admin": frozenset({"cloudsql.*", "resourcemanager.projects.get"}),
    "roles/cloudsql.editor": _SQL_EDITOR,
    "roles/cloudsql.viewer": _SQL_VIEWER,
    "roles/cloudsql.client": _CLIENT,
    "roles/cloudsql.instanceUser": _LOGIN,
    "roles/cloudsql.studioUser": _LOGIN | {"cloudsql.databases.list", "cloudsql.users.list"},
    "roles/resourcemanager.projectIamAdmin": _POLICY_ADMIN,
    "roles/iam.securityReviewer": frozenset(
        {"cloudsql.instances.list", "iam.serviceAccounts.getIamPolicy", "resourcemanager.projects.getIamPolicy"}
    ),
    "roles/iam.serviceAccountAdmin": _ACCOUNT_VIEWER
    | {"iam.serviceAccounts.create", "iam.serviceAccounts.setIamPolicy"},
    "roles/iam.serviceAccountViewer": _ACCOUNT_VIEWER,
    "roles/iam.serviceAccountTokenCreator": _TOKEN_CREATOR | _SIGNER,
    "roles/iam.serviceAccountUser": frozenset({"iam.serviceAccounts.actAs", "iam.serviceAccounts.get"}),
    "roles/iam.workloadIdentityUser": _TOKEN_CREATOR | {"iam.serviceAccounts.get", "iam.serviceAccounts.list"},
    "roles/serviceusage.serviceUsageConsumer": frozenset({"serviceusage.services.use"}),
    # Others that people have in their policies; nothing in them concerns us.
    "roles/container.admin": frozenset(),
    "roles/container.viewer": frozenset(),
    "roles/logging.logWriter": frozenset(),
    "roles/monitoring.metricWriter": frozenset(),
    "roles/storage.admin": frozenset(),
    "roles/storage.objectViewer": frozenset(),
}


PERMISSIONS = frozenset(
    {
        "cloudsql.databases.create",
        "cloudsql.databases.delete",
        "cloudsql.instances.listServerCas",
        "cloudsql.users.create",
        "cloudsql.users.delete",
        "cloudsql.users.update",
        "iam.roles.create",
        "iam.roles.get",
        "iam.serviceAccounts.signJwt",
        "serviceusage.services.enable",
    }
) | frozenset(entry for held in PREDEFINED.values() for entry in held if not entry.endswith("*"))
"""Every permission that is known here; Google has thousands."""


class RoleCatalog:
    """Predefined roles and the custom roles of the emulated projects."""

    def __init__(self) -> None:
        self._custom: dict[str, frozenset[str]] = {}

    def define(self, name: str, permissions: frozenset[str]) -> None:
        """Make or change a custom role, `projects/P/roles/ID`; acts at once."""
        self._custom[name] = permissions

    def forget(self, name: str) -> None:
        """Take a custom role away at once, where there is one; Google keeps a deleted one for days."""
        self._custom.pop(name, None)

    def knows(self, role: str) -> bool:
        """Whether a role can be granted."""
        return role in PREDEFINED or role in self._custom

    def permissions(self, role: str) -> tuple[str, ...]:
        """The single permissions of a role, sorted; those that a pattern stands for are those that anything here asks.

        Raises:
            KeyError: there is no such role.
        """
        held = self._custom[role] if role in self._custom else PREDEFINED[role]
        plain = {entry for entry in held if not entry.endswith("*")}
        return tuple(sorted(plain | {each for each in PERMISSIONS if self.includes(role, each)}))

    def includes(self, role: str, permission: str) -> bool:
        """Whether a role holds a permission; an unknown role holds none."""
        held = self._custom.get(role) or PREDEFINED.get(role, frozenset())
        return any(
            permission == entry or (entry.endswith("*") and permission.startswith(entry.removesuffix("*")))
            for entry in held
        )
