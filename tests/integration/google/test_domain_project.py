"""A project scoped to a domain, `example.com:acme`: its instance, its service accounts and their database users."""

from collections.abc import Iterator
from typing import Any

import google.oauth2.credentials
import psycopg
import pytest

from cloudsql_emulator.config import Config, CustomRole, Instance, Project, ServiceAccount
from cloudsql_emulator.emulator import Emulator
from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import Identity
from cloudsql_iam_operator.adapters.google.endpoints import Endpoints
from cloudsql_iam_operator.adapters.google.resource_manager import ResourceManager
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts, Workload
from cloudsql_iam_operator.adapters.google.sqladmin import NewUser
from cloudsql_iam_operator.api import user
from cloudsql_iam_operator.api.parsing.instance import parse_connection_name
from cloudsql_iam_operator.core.iam.bindings import Scope, bindings_for
from cloudsql_iam_operator.core.iam.policy import PolicyChange, plan
from cloudsql_iam_operator.core.users.principals import resolve
from integration.google.ground import IAM, PERMISSIONS, Ground

NAME = "example.com:acme:europe-west1:orders"
ORDERS = parse_connection_name(NAME)
OPERATOR = "operator@acme.example.com.iam.gserviceaccount.com"
APP = "app@acme.example.com.iam.gserviceaccount.com"
ROLE = "projects/example.com:acme/roles/cloudsqlIamOperator"
WORKLOAD = {
    "role": "roles/iam.workloadIdentityUser",
    "members": ["serviceAccount:example.com:acme.svc.id.goog[orders/checkout]"],
}
VIEWER = {"role": "roles/iam.serviceAccountViewer", "members": [f"serviceAccount:{OPERATOR}"]}


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    holds = [ROLE, "roles/resourcemanager.projectIamAdmin"]
    policy = {"bindings": [{"role": role, "members": [f"serviceAccount:{OPERATOR}"]} for role in holds]}
    config = Config(
        projects=(Project("example.com:acme", "123456789012", policy),),
        service_accounts=(ServiceAccount(OPERATOR), ServiceAccount(APP, {"bindings": [WORKLOAD, VIEWER]})),
        custom_roles=(CustomRole(ROLE, PERMISSIONS),),
        instances=(Instance("example.com:acme", "europe-west1", "orders"),),
    )
    with Emulator(config) as emulator:
        url = emulator.api_url
        make: Any = google.oauth2.credentials.Credentials
        endpoints = Endpoints(url, url, url, url)
        token = emulator.admin.mint_token(f"serviceAccount:{OPERATOR}")
        identity = Identity(make(token=token), "the operator's own identity", endpoints)
        yield Ground(emulator, endpoints, Caller(identity, lambda: None))


def test_a_service_account_of_the_project_becomes_a_database_user(ground: Ground) -> None:
    app = resolve(user.ServiceAccount(APP))

    ground.sqladmin.insert_user(ORDERS, NewUser(app.username, app.user_type))

    users = ground.emulator.admin.users("example.com:acme", "orders")
    assert [one["name"] for one in users if one["type"] == "CLOUD_IAM_SERVICE_ACCOUNT"] == ["app@acme.example.com.iam"]
    with psycopg.connect(ground.emulator.superuser_dsn(NAME)) as superuser:
        found = superuser.execute("select 1 from pg_roles where rolname = 'app@acme.example.com.iam'").fetchall()
    assert found == [(1,)]


def test_a_bound_service_account_may_log_in(ground: Ground) -> None:
    manager = ResourceManager(ground.endpoints, ground.caller)
    wanted = bindings_for(f"serviceAccount:{APP}", IAM, Scope(ORDERS))

    manager.set_policy(ORDERS.project, plan(manager.get_policy(ORDERS.project), PolicyChange(wanted)).policy)

    assert ground.emulator.admin.holds(
        f"serviceAccount:{APP}", "cloudsql.instances.login", "example.com:acme", "orders"
    )


def test_the_policy_of_a_service_account_is_found_by_its_address_alone(ground: Ground) -> None:
    accounts = ServiceAccounts(ground.endpoints, ground.caller)

    assert accounts.admits(APP, Workload("example.com:acme.svc.id.goog", "orders", "checkout"))
