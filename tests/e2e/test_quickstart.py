"""The quickstart, line by line, from a project that has never heard of the operator to a login."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e import world
from e2e.pasting import HAS_GCLOUD, Desk
from e2e.scenes import TENANT, Stage
from support.pages import ROOT, commands, manifests

QUICKSTART = ROOT / "docs" / "quickstart.md"
PERMISSIONS = ROOT / "docs" / "permissions.md"
GOOGLES = ("gcloud", "GRANT")
ACCOUNTS = (world.OPERATOR, world.CHECKOUT)
OPERATOR_USER = f"operator@{world.PROJECT}.iam"


@pytest.fixture
def untouched(stage: Stage) -> Iterator[Stage]:
    """No chart; with gcloud on the machine no account, role, binding or database user of the page's either."""
    policy = stage.cloud.policy()
    stage.chain.helm("uninstall", "cloudsql-iam-operator", "--namespace", world.NAMESPACE, "--wait")
    stage.chain.kubectl("delete", "lease", "cloudsql-iam-operator", "-n", world.NAMESPACE)
    stage.chain.kubectl.gone("namespace", TENANT)
    if HAS_GCLOUD:
        _forget(stage, policy)
    yield stage
    stage.chain.kubectl("delete", "namespace", TENANT, "--wait=false")
    stage.chain.helm("uninstall", "cloudsql-iam-operator", "--namespace", world.NAMESPACE, "--wait")
    stage.chain.kubectl("delete", "lease", "cloudsql-iam-operator", "-n", world.NAMESPACE)
    stage.cloud.set_policy({**policy, "etag": stage.cloud.policy()["etag"]})
    stage.cloud.sql("postgres", f'GRANT cloudsqlsuperuser TO "{OPERATOR_USER}"')
    stage.chain.install()


def _forget(stage: Stage, policy: dict[str, Any]) -> None:
    members = {f"serviceAccount:{email}" for email in ACCOUNTS}
    kept = [b for b in policy["bindings"] if not members & set(b["members"])]
    stage.cloud.set_policy({**policy, "bindings": kept})
    control = stage.cloud.control
    for email in ACCOUNTS:
        account = f"projects/{world.PROJECT}/serviceAccounts/{email}"
        control.set_policy(account, {"etag": control.policy(account)["etag"], "bindings": []})
        control.delete_principal(f"serviceAccount:{email}")
    control.forget_role(world.OPERATOR_ROLE)
    stage.cloud.delete_user(OPERATOR_USER)


def test_who_pastes_the_quickstart_ends_with_a_login_and_takes_it_all_away(untouched: Stage, tmp_path: Path) -> None:
    desk = Desk(untouched, tmp_path)
    (tmp_path / "role.yaml").write_text(manifests(PERMISSIONS.read_text())[0])
    pasted = [each for each in commands(QUICKSTART.read_text()) if HAS_GCLOUD or not each.text.startswith(GOOGLES)]

    for command in pasted:
        desk.paste(command)

    told = [command for command in pasted if command.printed]
    assert [command.printed for command in told] == [
        ("checkout@acme-prod.iam", "3", "ERROR:  permission denied for table secrets")
    ]
    assert desk.done.count("helm") == 1
    assert desk.done.count("gcloud") == (10 if HAS_GCLOUD else 0)
    assert world.CHECKOUT_USER not in untouched.cloud.users()
    assert world.CHECKOUT not in str(untouched.cloud.policy())
