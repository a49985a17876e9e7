"""Commands that messages give are ones that gcloud takes, whatever the names in them hold."""

import pytest

from cloudsql_iam_operator.adapters.google.answers import NARROW_SCOPES, api_disabled
from cloudsql_iam_operator.api.instance import ConditionMode, ConnectionName
from cloudsql_iam_operator.core import askers
from cloudsql_iam_operator.core.askers import Asker, Need
from cloudsql_iam_operator.core.gcloud import assign_role, create_user, set_password
from cloudsql_iam_operator.core.iam.bindings import Binding, Scope, condition_for
from cloudsql_iam_operator.core.iam.external import way_to_add
from support.gcloud_commands import faults

PROJECT = "example.com:acme"
EMAIL = "it's;me@acme.iam.gserviceaccount.com"
ORDERS = ConnectionName(PROJECT, "europe-west1", "orders")
NEEDS = (
    askers.on_cloud_sql("cloudsql.users.list", PROJECT, "orders"),
    askers.on_policy("resourcemanager.projects.setIamPolicy", PROJECT),
    askers.on_login(PROJECT),
    askers.on_account_policy(EMAIL),
    askers.on_impersonation(EMAIL),
    askers.on_workload_identity(EMAIL),
    askers.on_quota_project(PROJECT),
)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: str(need.permission))
@pytest.mark.parametrize("member", ["", "serviceAccount:acme.svc.id.goog[ns/it's me]"])
def test_what_the_operator_lacks_is_given_by_a_command_that_gcloud_takes(need: Need, member: str) -> None:
    assert faults(need.to(Asker(member))) == []


@pytest.mark.parametrize("mode", list(ConditionMode), ids=lambda mode: str(mode.value))
def test_a_binding_that_somebody_else_makes_is_made_by_a_command_that_gcloud_takes(mode: ConditionMode) -> None:
    condition = condition_for(mode, Scope(ORDERS))

    assert faults(way_to_add(Binding("roles/cloudsql.client", "user:o'neil@acme.com", condition), PROJECT)) == []


@pytest.mark.parametrize("text", [NARROW_SCOPES, api_disabled("iam.googleapis.com", PROJECT), api_disabled("x", "")])
def test_a_sentence_that_ends_with_a_command_ends_with_one_that_gcloud_takes(text: str) -> None:
    assert faults(text[text.index("gcloud ") :]) == []


@pytest.mark.parametrize(
    "command",
    [
        set_password("o'neil", PROJECT, "orders"),
        create_user("it's;me@acme.iam", PROJECT, "orders"),
        assign_role("op@acme.iam", "o'neil@acme.com", PROJECT, "orders"),
    ],
)
def test_a_command_about_database_users_is_one_that_gcloud_takes(command: str) -> None:
    assert faults(command) == []
