"""gcloud, where it is installed, as an administrator uses it on users, instances and policies."""

import json
import shutil
from typing import Any

import pytest

from clients.gcloud import environment
from clients.ground import Ground, Ran
from cloudsql_emulator.acme import ADMIN, CHECKOUT_EMAIL, INSTANCE, OPERATOR_EMAIL, PROJECT

OPERATOR_NAME = OPERATOR_EMAIL.removesuffix(".gserviceaccount.com")
AS_ACCOUNT = "--type=CLOUD_IAM_SERVICE_ACCOUNT"
ROLE = "roles/cloudsql.instanceUser"
CONDITION = f"title=one instance,expression=resource.name == 'projects/{PROJECT}/instances/{INSTANCE}'"


class Gcloud:
    """gcloud with an owner's token, by the names of Google's own hosts."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        told = environment(ground.folder, ground.emulator.admin, ADMIN, ground.trust)
        self._environment = {**told, "CLOUDSDK_CORE_PROJECT": PROJECT}

    def run(self, *words: str) -> Ran:
        return self._ground.run(["gcloud", *words, "--format=json"], self._environment)

    def __call__(self, *words: str) -> Any:
        """What a command prints, once it went well."""
        ran = self.run(*words)
        assert ran.code == 0, f"gcloud {' '.join(words)}: {ran.errors}"
        return json.loads(ran.output or "null")


@pytest.fixture
def gcloud(ground: Ground) -> Gcloud:
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not on this machine")
    return Gcloud(ground)


def names(gcloud: Gcloud) -> set[str]:
    return {user["name"] for user in gcloud("sql", "users", "list", f"--instance={INSTANCE}")}


def test_users_are_made_listed_and_deleted(gcloud: Gcloud) -> None:
    gcloud("sql", "users", "delete", OPERATOR_NAME, f"--instance={INSTANCE}")
    without = names(gcloud)

    gcloud("sql", "users", "create", OPERATOR_NAME, f"--instance={INSTANCE}", AS_ACCOUNT)

    assert names(gcloud) - without == {OPERATOR_NAME}


def test_an_instance_is_described_and_its_flags_are_changed(gcloud: Gcloud) -> None:
    flags = "--database-flags=cloudsql.iam_authentication=on,log_connections=on"

    gcloud("sql", "instances", "patch", INSTANCE, flags)

    found = gcloud("sql", "instances", "describe", INSTANCE)
    assert found["state"] == "RUNNABLE"
    assert {each["name"] for each in found["settings"]["databaseFlags"]} == {
        "cloudsql.iam_authentication",
        "log_connections",
    }
    assert [each["name"] for each in gcloud("sql", "databases", "list", f"--instance={INSTANCE}")] == [
        "orders",
        "postgres",
    ]


def test_a_policy_is_changed_under_the_etag_that_was_read(ground: Ground, gcloud: Gcloud) -> None:
    before = ground.emulator.admin.policy(f"projects/{PROJECT}")["bindings"]
    binding = (f"--member=serviceAccount:{OPERATOR_EMAIL}", f"--role={ROLE}", f"--condition={CONDITION}")

    gcloud("projects", "add-iam-policy-binding", PROJECT, *binding)
    between = gcloud("projects", "get-iam-policy", PROJECT)["bindings"]
    gcloud("projects", "remove-iam-policy-binding", PROJECT, *binding)

    assert [each["role"] for each in between if each.get("condition", {}).get("title") == "one instance"] == [ROLE]
    assert ground.emulator.admin.policy(f"projects/{PROJECT}")["bindings"] == before
    written = ground.emulator.admin.journal(method="cloudresourcemanager.projects.setIamPolicy")
    assert all(entry.summary["policy"]["etag"] for entry in written[-2:])


def test_accounts_and_projects_are_looked_up(gcloud: Gcloud) -> None:
    accounts = gcloud("iam", "service-accounts", "list")

    assert CHECKOUT_EMAIL in {each["email"] for each in accounts}
    assert gcloud("iam", "service-accounts", "describe", CHECKOUT_EMAIL)["email"] == CHECKOUT_EMAIL
    assert [each["projectId"] for each in gcloud("projects", "list")] == [PROJECT]
    assert "cloudsql.instances.login" in gcloud("iam", "roles", "describe", ROLE)["includedPermissions"]


def test_what_the_emulator_has_not_is_told_at_once(gcloud: Gcloud) -> None:
    ran = gcloud.run("sql", "backups", "list", f"--instance={INSTANCE}")

    assert ran.code == 1
    assert "404" in ran.errors
