"""The emulated cloud at the start of the chain: a project, an instance with real tables, other people's access."""

from typing import Any

from controlplane.addresses import FIRST_INSTANCE, GOOGLE_APIS, METADATA

PROJECT = "acme-prod"
CONNECTION = f"{PROJECT}:europe-west1:orders"
POOL = f"{PROJECT}.svc.id.goog"
OPERATOR = f"operator@{PROJECT}.iam.gserviceaccount.com"
CHECKOUT = f"checkout@{PROJECT}.iam.gserviceaccount.com"
REPORTS = f"reports@{PROJECT}.iam.gserviceaccount.com"
CHECKOUT_USER = f"checkout@{PROJECT}.iam"
NAMESPACE = "cloudsql-iam-operator"
OPERATOR_ROLE = f"projects/{PROJECT}/roles/cloudsqlIamOperator"

OPERATOR_PERMISSIONS = (
    "cloudsql.instances.get",
    "cloudsql.users.list",
    "cloudsql.users.create",
    "cloudsql.users.delete",
    "cloudsql.instances.connect",
    "cloudsql.instances.login",
    "iam.serviceAccounts.getIamPolicy",
)
"""What docs/permissions.md prints; a test holds the two together."""

LOGIN_ROLES_ONLY = (
    'api.getAttribute("iam.googleapis.com/modifiedGrantsByRole", [])'
    '.hasOnly(["roles/cloudsql.instanceUser", "roles/cloudsql.client"])'
)

STRANGERS: list[dict[str, Any]] = [
    {"role": "roles/owner", "members": ["user:Olga@acme.example"]},
    {
        "role": "roles/cloudsql.client",
        "members": ["group:dba@acme.example", f"serviceAccount:legacy@{PROJECT}.iam.gserviceaccount.com"],
    },
    {
        "role": "roles/cloudsql.viewer",
        "members": ["user:ann@acme.example"],
        "condition": {
            "title": "office hours",
            "description": "somebody else's condition",
            "expression": "request.time < timestamp('2037-01-01T00:00:00Z')",
        },
    },
    {
        "role": "roles/logging.logWriter",
        "members": [f"deleted:serviceAccount:old@{PROJECT}.iam.gserviceaccount.com?uid=1234567890"],
    },
]
"""Bindings that nobody but their owners may touch, in an order and spelling of their own."""

TABLES = """
CREATE SCHEMA app;
CREATE TABLE app.orders (id int PRIMARY KEY, total numeric NOT NULL);
CREATE TABLE app.items (order_id int REFERENCES app.orders, name text);
CREATE TABLE app.secrets (token text);
CREATE SEQUENCE app.order_numbers;
INSERT INTO app.orders VALUES (1, 10), (2, 20), (3, 30);
INSERT INTO app.items VALUES (1, 'tea'), (2, 'cups');
INSERT INTO app.secrets VALUES ('not for everybody');
CREATE SCHEMA audit;
CREATE TABLE audit.log (line text);
"""


def policy() -> dict[str, Any]:
    """The project's IAM policy at the start."""
    operator = f"serviceAccount:{OPERATOR}"
    limited = {"title": "login roles only", "expression": LOGIN_ROLES_ONLY}
    return {
        "version": 3,
        "bindings": [
            *STRANGERS,
            {"role": OPERATOR_ROLE, "members": [operator]},
            {"role": "roles/resourcemanager.projectIamAdmin", "members": [operator], "condition": limited},
        ],
        "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "ADMIN_READ"}]}],
    }


def _account(email: str, kubernetes: str = "") -> dict[str, Any]:
    if not kubernetes:
        return {"email": email}
    member = f"serviceAccount:{POOL}[{kubernetes}]"
    return {"email": email, "policy": {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [member]}]}}


def instance() -> dict[str, Any]:
    """The instance, laid out as a customer would have it before the operator comes."""
    project, region, name = CONNECTION.split(":")
    return {
        "project": project,
        "region": region,
        "name": name,
        "address": FIRST_INSTANCE,
        "settings": {
            "ipConfiguration": {"ipv4Enabled": False, "privateNetwork": f"projects/{project}/global/networks/default"}
        },
        "roles": ["app_owner"],
        "databases": [{"name": "orders"}],
        "scripts": [
            {"database": "orders", "sql": "GRANT CREATE ON DATABASE orders TO app_owner"},
            {"database": "orders", "sql": TABLES, "role": "app_owner"},
        ],
        "users": [
            {
                "name": f"operator@{PROJECT}.iam",
                "type": "CLOUD_IAM_SERVICE_ACCOUNT",
                "roles": ["cloudsqlsuperuser", "app_owner"],
            },
            {"name": "legacy", "type": "BUILT_IN", "password": "not-used-anywhere"},
        ],
        "log_statements": True,
    }


def config(kubeconfig: str, certificate: str, key: str) -> dict[str, Any]:
    """The emulator's configuration: Google's host names on 443, the metadata server at its own address."""
    return {
        "projects": [{"id": PROJECT, "number": "123456789012", "policy": policy()}],
        "users": ["olga@acme.example", "ann@acme.example", "bob@acme.example"],
        "groups": [
            {"email": "dba@acme.example", "members": ["user:olga@acme.example"]},
            {"email": "orders-dev@acme.example", "members": ["user:ann@acme.example", "user:bob@acme.example"]},
        ],
        "service_accounts": [
            _account(OPERATOR, f"{NAMESPACE}/cloudsql-iam-operator"),
            _account(CHECKOUT, "orders/checkout"),
            _account(REPORTS, "orders/reports"),
            _account(f"legacy@{PROJECT}.iam.gserviceaccount.com"),
        ],
        "custom_roles": [{"name": OPERATOR_ROLE, "permissions": list(OPERATOR_PERMISSIONS)}],
        "instances": [instance()],
        "api": {"host": GOOGLE_APIS, "port": 443, "certificate": certificate, "key": key},
        "metadata": {"project": PROJECT, "listen": {"host": METADATA, "port": 80}, "kubeconfig": kubeconfig},
        "control": {"host": "127.0.0.1", "port": CONTROL_PORT},
    }


CONTROL_PORT = 8099
CONTROL = f"http://127.0.0.1:{CONTROL_PORT}"
