"""gcloud's part of the pages, line by line and in their order, against the emulator."""

import shutil

import pytest

from clients.gcloud import environment
from clients.ground import Ground
from cloudsql_emulator.acme import ADMIN, PROJECT
from support.pages import ROOT, commands, manifests

DOCS = ROOT / "docs"
OTHERS = (("checkout", "till"), ("cloudsqlIamOperator", "anotherOperator"))
"""Names that other tests have made are put in the place of the pages' own, as the pages tell their readers to do."""


def pasted(page: str) -> list[str]:
    texts = [each.text for each in commands((DOCS / page).read_text()) if each.text.startswith("gcloud")]
    for theirs, ours in OTHERS:
        texts = [text.replace(theirs, ours) for text in texts]
    return texts


@pytest.fixture
def shell(ground: Ground) -> dict[str, str]:
    if shutil.which("gcloud") is None:
        pytest.skip("gcloud is not on this machine")
    operators, login = manifests((DOCS / "permissions.md").read_text())
    (ground.folder / "role.yaml").write_text(operators)
    (ground.folder / "login.yaml").write_text(login)
    return {**environment(ground.folder, ground.emulator.admin, ADMIN, ground.trust), "PATH": "/usr/bin:/bin"}


def test_every_gcloud_command_of_quickstart_and_permissions_is_taken(ground: Ground, shell: dict[str, str]) -> None:
    admin = ground.emulator.admin
    texts = [*pasted("quickstart.md"), *pasted("permissions.md")]

    ran = [ground.run(["bash", "-euc", f"cd {ground.folder}\n{text}"], shell) for text in texts]

    assert [(text, one.errors) for text, one in zip(texts, ran, strict=True) if one.code] == []
    assert len(texts) == 13
    bindings = admin.policy(f"projects/{PROJECT}")["bindings"]
    member = f"serviceAccount:operator@{PROJECT}.iam.gserviceaccount.com"
    assert [one.get("condition", {}).get("title") for one in bindings if member in one["members"]] == [
        None,
        "login roles only",
    ]
    till = admin.policy(f"projects/{PROJECT}/serviceAccounts/till@{PROJECT}.iam.gserviceaccount.com")
    assert [one["members"] for one in till["bindings"]] == [[f"serviceAccount:{PROJECT}.svc.id.goog[orders/till]"]]
    assert f"operator@{PROJECT}.iam" in {user["name"] for user in admin.users(PROJECT, "orders")}
