"""A small company to test with: a project, an instance with a table, an operator, a workload, people, a stranger."""

from cloudsql_emulator.config import (
    Config,
    CustomRole,
    Database,
    DatabaseUser,
    Group,
    Instance,
    Metadata,
    Project,
    Script,
    ServiceAccount,
)
from cloudsql_emulator.iam.policies import Document

PROJECT = "acme-prod"
NUMBER = "123456789012"
INSTANCE = "orders"
CONNECTION_NAME = f"{PROJECT}:europe-west1:{INSTANCE}"

OPERATOR_EMAIL = f"sql-operator@{PROJECT}.iam.gserviceaccount.com"
CHECKOUT_EMAIL = f"checkout@{PROJECT}.iam.gserviceaccount.com"
OPERATOR = f"serviceAccount:{OPERATOR_EMAIL}"
CHECKOUT = f"serviceAccount:{CHECKOUT_EMAIL}"
CHECKOUT_NAME = f"checkout@{PROJECT}.iam"
ADMIN = "user:admin@acme.example"
ALICE = "user:alice@acme.example"
STRANGER = "user:Stranger@acme.example"
TEAM_EMAIL = "team@acme.example"

OPERATOR_ROLE = f"projects/{PROJECT}/roles/cloudsqlIamOperator"
OPERATOR_PERMISSIONS = (
    "cloudsql.instances.connect",
    "cloudsql.instances.get",
    "cloudsql.instances.login",
    "cloudsql.users.create",
    "cloudsql.users.delete",
    "cloudsql.users.list",
    "cloudsql.users.update",
    "iam.serviceAccounts.getIamPolicy",
)
LIMITED_GRANTS = (
    "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"
    ".hasOnly(['roles/cloudsql.instanceUser','roles/cloudsql.client'])"
)


def policy() -> Document:
    """The project's policy: the operator's least privilege among bindings that are nobody's business."""
    return {
        "version": 3,
        "bindings": [
            {"role": "roles/owner", "members": [ADMIN]},
            {"role": "roles/storage.objectViewer", "members": [STRANGER, "deleted:user:gone@acme.example?uid=42"]},
            {"role": OPERATOR_ROLE, "members": [OPERATOR]},
            {
                "role": "roles/resourcemanager.projectIamAdmin",
                "members": [OPERATOR],
                "condition": {"title": "database roles only", "expression": LIMITED_GRANTS},
            },
        ],
        "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}],
    }


def orders() -> Instance:
    """The instance: a database whose table belongs to app_owner."""
    return Instance(
        project=PROJECT,
        region="europe-west1",
        name=INSTANCE,
        roles=("app_owner", "app_ro"),
        databases=(Database("orders"),),
        scripts=(
            Script("orders", "CREATE SCHEMA app AUTHORIZATION app_owner", role="cloudsqladmin"),
            Script("orders", "CREATE TABLE app.items (id int PRIMARY KEY, name text)", role="app_owner"),
        ),
        users=(
            DatabaseUser("postgres", password="postgres-password"),
            DatabaseUser(f"sql-operator@{PROJECT}.iam", "CLOUD_IAM_SERVICE_ACCOUNT", roles=("cloudsqlsuperuser",)),
        ),
    )


def acme(*, with_instance: bool = True) -> Config:
    """All of it; without the instance it starts at once, for tests about policies and accounts."""
    binding = {
        "role": "roles/iam.workloadIdentityUser",
        "members": [f"serviceAccount:{PROJECT}.svc.id.goog[shop/checkout]"],
    }
    return Config(
        projects=(Project(PROJECT, NUMBER, policy()),),
        users=("admin@acme.example", "alice@acme.example", "stranger@acme.example"),
        groups=(Group(TEAM_EMAIL, ("group:nested@acme.example",)), Group("nested@acme.example", (ALICE,))),
        service_accounts=(
            ServiceAccount(OPERATOR_EMAIL),
            ServiceAccount(CHECKOUT_EMAIL, {"version": 1, "bindings": [binding]}),
        ),
        custom_roles=(CustomRole(OPERATOR_ROLE, OPERATOR_PERMISSIONS),),
        instances=(orders(),) if with_instance else (),
        metadata=Metadata(project=PROJECT, default=CHECKOUT_EMAIL),
    )
