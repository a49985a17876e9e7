"""Approvals, how a status shows a plan, the manifests that `plan` reads, and how it ends."""

from pathlib import Path

import pytest

from cloudsql_iam_operator.__main__ import main
from cloudsql_iam_operator.adapters.cluster.manifests import BadManifest, manifests
from cloudsql_iam_operator.api.names import API_VERSION, GRANT, Key
from cloudsql_iam_operator.cli.plan import Request, plan, status_of
from cloudsql_iam_operator.core.grants.decided.approval import Approval, approval
from cloudsql_iam_operator.core.grants.decided.resolution import Problem
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.services.lanes.grant_answers import GrantAnswer
from cloudsql_iam_operator.services.reconcilers.grant_status import plan_told, waits_for_approval
from cloudsql_iam_operator.services.reconcilers.preview import Preview

KEY = Key(GRANT.name, "team", "reads")
TWO = GrantAnswer(planned=("GRANT a", "GRANT b"), plan_hash="sha256:2")


def manifest(name: str, namespace: str = "") -> str:
    place = f", namespace: {namespace}" if namespace else ""
    return f"apiVersion: {API_VERSION}\nkind: DatabaseGrant\nmetadata: {{name: {name}{place}}}\nspec: {{}}\n"


@pytest.mark.parametrize(
    ("named", "used", "standing"),
    [
        ("", "", Approval.MISSING),
        ("", "sha256:2", Approval.MISSING),
        ("sha256:2", "", Approval.FITS),
        ("sha256:2", "sha256:1", Approval.FITS),
        ("sha256:1", "", Approval.OTHER),
        ("sha256:1", "sha256:1", Approval.OTHER),
        ("sha256:2", "sha256:2", Approval.USED),
    ],
)
def test_only_the_present_plan_is_approved_and_only_once(named: str, used: str, standing: Approval) -> None:
    assert approval(named, used, "sha256:2") is standing


def test_a_waiting_plan_says_how_it_is_approved() -> None:
    reason, text = waits_for_approval(KEY, Approval.MISSING, TWO)

    assert reason is Reason.PLANNED
    assert text == (
        "2 statements would be executed, see status.plan; to approve: "
        "kubectl annotate dbg reads -n team --overwrite iam.cloudsql.dev/approve=sha256:2"
    )


def test_an_approval_of_another_plan_and_a_used_one_have_the_reason_plan_changed() -> None:
    other, used = (waits_for_approval(KEY, standing, TWO) for standing in (Approval.OTHER, Approval.USED))

    assert (other[0], used[0]) == (Reason.PLAN_CHANGED, Reason.PLAN_CHANGED)
    assert "names another plan" in other[1]
    assert "take the annotation off first" in used[1]


def test_a_short_plan_is_shown_whole() -> None:
    assert plan_told(TWO) == {"hash": "sha256:2", "statements": 2, "sample": ["GRANT a", "GRANT b"]}


def test_of_a_long_plan_five_statements_are_shown_and_cut() -> None:
    shown = plan_told(GrantAnswer(planned=("G" * 600,) * 5000, plan_hash="sha256:3"))

    assert shown == {"hash": "sha256:3", "statements": 5000, "sample": ["G" * 500 + "…"] * 5}


def test_manifests_of_our_kinds_are_read_from_a_directory_in_order(tmp_path: Path) -> None:
    (tmp_path / "b.yml").write_text(manifest("third"))
    (tmp_path / "a.yaml").write_text(f"{manifest('first')}---\n{manifest('second', 'here')}---\n")
    (tmp_path / "c.json").write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "no"}}')
    (tmp_path / "d.txt").write_text("not: [read")

    found = manifests([str(tmp_path)], "team")

    names = [(body["metadata"]["namespace"], body["metadata"]["name"]) for body in found]
    assert names == [("team", "first"), ("here", "second"), ("team", "third")]


def test_a_list_of_objects_is_taken_apart(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    items = "".join(f"- {manifest(name).strip().replace(chr(10), chr(10) + '  ')}\n" for name in ("one", "two"))
    file.write_text(f"apiVersion: v1\nkind: List\nitems:\n{items}")

    assert [body["metadata"]["name"] for body in manifests([str(file)], "team")] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is no YAML"),
        ("- 1", "holds something that is no object"),
        (f"apiVersion: {API_VERSION}\nkind: DatabaseGrant\n", "without metadata.name"),
        ("kind: List\nitems: 5\n", "whose items are no list"),
        ("&a\nkind: List\nitems: [*a]\n", "is an alias: write it out"),
        ("x0: &x0 {}\nx1: &x1 [*x0, *x0]\nkind: List\nitems: [*x1]\n", "is an alias: write it out"),
        ("a: " + "[" * 100_000, "more than 64 lists and maps"),
        ("a: " + "{a: " * 100_000, "more than 64 lists and maps"),
    ],
)
def test_a_file_that_is_no_manifest_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text)

    with pytest.raises(BadManifest, match=said) as caught:
        manifests([str(file)], "team")

    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadManifest, match=r"missing\.yaml cannot be read"):
        manifests([str(tmp_path / "missing.yaml")], "team")


def test_the_exit_status_tells_nothing_from_changes_from_failure() -> None:
    nothing, changes = Preview(KEY, plan_hash="sha256:0"), Preview(KEY, statements=("GRANT a",))
    failure = Preview(KEY, problems=(Problem(Reason.USER_NOT_READY, "there is no user"),))

    assert status_of([nothing]) == 0
    assert status_of([nothing, changes]) == 2
    assert status_of([changes, failure]) == 1


def test_wrong_arguments_of_plan_do_not_look_like_changes() -> None:
    with pytest.raises(SystemExit) as of_plan:
        main(["plan"])
    with pytest.raises(SystemExit) as of_run:
        main(["run", "--nonsense"])

    assert (of_plan.value.code, of_run.value.code) == (1, 2)


def test_sources_without_grants_are_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"no DatabaseGrant in {tmp_path}"):
        plan(Request((str(tmp_path),), "team", "operators", "sql"), {})


@pytest.mark.parametrize(
    ("version", "kind", "told"),
    [
        (API_VERSION, "DatabaseGrants", "did you mean DatabaseGrant?"),
        (API_VERSION, "Role", "there are CloudSQLIAMUser, CloudSQLInstance, DatabaseGrant"),
        ("iam.cloudsql.dev/v1", "DatabaseGrant", f"did you mean apiVersion: {API_VERSION}?"),
        ("iam.cloudsql.dev", "DatabaseGrant", f"did you mean apiVersion: {API_VERSION}?"),
        ("iam.cloudsql.dv/v1alpha1", "DatabaseGrant", f"did you mean apiVersion: {API_VERSION}?"),
    ],
)
def test_a_misspelt_kind_or_version_of_our_group_is_refused(tmp_path: Path, version: str, kind: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n")

    with pytest.raises(BadManifest) as refused:
        manifests([str(tmp_path)], "team")

    assert told in str(refused.value)
    assert "a.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("v1", "ConfigMap"),
        ("database.gcp.crossplane.io/v1beta1", "CloudSQLInstance"),
        ("iam.cnrm.cloud.google.com/v1beta1", "IAMPolicy"),
    ],
)
def test_kinds_of_others_are_left_out(tmp_path: Path, version: str, kind: str) -> None:
    (tmp_path / "a.yaml").write_text(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n")

    assert manifests([str(tmp_path)], "team") == []
