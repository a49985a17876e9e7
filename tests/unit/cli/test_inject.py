"""The verb `inject` on manifests alone: what it prints, what it leaves as written, how it ends."""

import json
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.core.injection.outcome import Injected
from cloudsql_iam_operator.core.injection.plan import plan
from support import podshapes
from support.podshapes import applied
from unit.cli.shop import ACCESS, POD, TEMPLATES, Ran, within, workload, written


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_template_becomes_what_the_webhook_makes_of_its_pods(kind: str, ran: Any) -> None:
    body = workload(kind)

    done = ran(written(body))

    *rest, after = yaml.safe_load_all(done.output)
    template = within(body, kind)
    outcome = plan({"apiVersion": "v1", "kind": "Pod", **template}, podshapes.FACTS, podshapes.SETTINGS)
    assert isinstance(outcome, Injected)
    expected = applied(outcome.operations, template)
    assert within(after, kind)["spec"] == expected["spec"]
    assert {**after, **workload(kind)} == workload(kind) | {name: after[name] for name in after if name not in body}
    assert done.status == 0
    assert [each["kind"] for each in rest][-1] == "DatabaseGrant"


def test_a_pod_is_injected_itself(ran: Any) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", **yaml.safe_load(POD)}
    pod["metadata"] |= {"name": "once", "namespace": "orders"}

    *_, after = yaml.safe_load_all(ran(written(pod)).output)

    assert [each["name"] for each in after["spec"]["initContainers"]] == ["cloudsql-proxy"]
    assert after["metadata"]["name"] == "once"


def test_names_of_members_are_texts_as_kubectl_writes_them(ran: Any) -> None:
    odd = POD.replace("labels", "namespace: orders, labels").replace(
        "inject: checkout", 'inject: checkout, on: "x", 1: "y", 1.5: "z"'
    )

    *_, after = yaml.safe_load_all(ran(written(f"apiVersion: v1\nkind: Pod\n{odd}")).output)

    assert [after["metadata"]["annotations"].get(name) for name in ("true", "1", "1.5")] == ["x", "y", "z"]


@pytest.mark.parametrize("kind", ["List", "DeploymentList"])
def test_items_of_a_list_are_injected_in_their_places(kind: str, ran: Any) -> None:
    items = [workload("apps/v1 Deployment"), {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}]

    *_, after = yaml.safe_load_all(ran(written({"apiVersion": "v1", "kind": kind, "items": items})).output)

    assert after["items"][0]["spec"]["template"]["spec"]["initContainers"][0]["name"] == "cloudsql-proxy"
    assert after["items"][1:] == items[1:]


def test_what_is_not_changed_is_printed_as_it_was_written(ran: Any) -> None:
    text = written("# nothing\n", "# by hand\nkind:   ConfigMap # so\napiVersion: v1\ndata: {b: 1e3, a: 0x1F}\n")

    done = ran(text)

    assert (done.output, done.status) == (text, 0)


def test_documents_beside_a_changed_one_keep_every_letter(ran: Any) -> None:
    deployment = f"--- # the web\n# talks to the database\n{yaml.safe_dump(workload('apps/v1 Deployment'))}"

    done = ran(f"{ACCESS}{deployment}---\n# after\napiVersion:  v1\nkind: ConfigMap\n")

    before, after = done.output.split("apiVersion: apps/v1\n")
    assert before == f"{ACCESS}--- # the web\n# talks to the database\n"
    assert after.endswith("---\n# after\napiVersion:  v1\nkind: ConfigMap\n")


@pytest.mark.parametrize("kind", TEMPLATES)
def test_to_inject_the_output_again_changes_nothing(kind: str, ran: Any) -> None:
    once = ran(written(workload(kind)))

    twice = ran(once.output)
    difference = ran(once.output, "--diff")

    assert twice.output == once.output
    assert (difference.output, difference.status) == ("", 0)


@pytest.mark.parametrize(
    "text", ["1e3", "0o14", "0x1F", "yes", "off", "y", "2026-01-01", "1_000", ".5", "~", "12:30", "a\nb\n"]
)
def test_a_text_that_another_parser_takes_for_something_else_stays_a_text(text: str, ran: Any) -> None:
    body = workload("apps/v1 Deployment")
    body["metadata"]["annotations"] = {"note": text}

    output = ran(written(body)).output

    assert list(yaml.safe_load_all(output))[-1]["metadata"]["annotations"] == {"note": text}
    assert "note: |" in output if "\n" in text else f'note: "{text}"' in output


def test_the_defaults_and_rules_of_a_namespace_count(ran: Any) -> None:
    annotations = {"iam.cloudsql.dev/cpu-request": "75m"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "orders", "annotations": annotations}}
    hard = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "hard", "namespace": "orders"}}
    hard["spec"] = {"hard": {"limits.cpu": "4"}}

    *_, after = yaml.safe_load_all(ran(written(namespace, hard, workload("apps/v1 Deployment"))).output)

    (proxy,) = after["spec"]["template"]["spec"]["initContainers"]
    assert proxy["resources"]["requests"]["cpu"] == "75m"
    assert "cpu" in proxy["resources"]["limits"]


def test_a_date_without_quotes_stays_as_it_was(ran: Any) -> None:
    deployment = yaml.safe_dump(workload("apps/v1 Deployment")).replace(
        "name: web\n  namespace", "name: web\n  at: 2026-01-01T00:00:00Z\n  namespace"
    )

    assert 'at: "2026-01-01T00:00:00Z"' in ran(written(deployment)).output


def test_fields_that_nobody_knows_survive(ran: Any) -> None:
    body = workload("apps/v1 Deployment")
    body["spec"]["template"]["spec"] |= {"futureField": {"deep": [1, 2.5, None]}, "resources": {"claims": []}}

    *_, after = yaml.safe_load_all(ran(written(body)).output)

    assert after["spec"]["template"]["spec"]["futureField"] == {"deep": [1, 2.5, None]}


def test_a_difference_shows_what_is_added_and_ends_with_two(ran: Any) -> None:
    done = ran(written(workload("apps/v1 Deployment")), "--diff")

    changed = [line for line in done.output.splitlines() if line[:1] in "+-"]
    assert done.status == 2
    assert [line for line in changed if line.startswith("-")] == [changed[0]]
    assert "+      - name: cloudsql-proxy" in changed


def test_a_workload_that_would_be_made_to_wait_is_rendered_all_the_same(ran: Any) -> None:
    job = POD.replace("containers:", "restartPolicy: Never, containers:")

    done = ran(written(workload("batch/v1 Job", job)))

    assert done.status == 0
    assert "iam.cloudsql.dev/wait" not in done.output


def test_several_files_are_one_stream_of_documents(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ACCESS)
    (tmp_path / "b.yml").write_text(yaml.safe_dump(workload("apps/v1 Deployment")))
    (tmp_path / "c.yaml").write_text("kind: ConfigMap\napiVersion: v1")

    done = Ran(capsys, "-f", str(tmp_path))

    kinds = [each["kind"] for each in yaml.safe_load_all(done.output)]
    assert kinds[-3:] == ["DatabaseGrant", "Deployment", "ConfigMap"]


def test_json_stays_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ACCESS)
    (tmp_path / "b.json").write_text(json.dumps(workload("apps/v1 Deployment")))

    done = Ran(capsys, "-f", str(tmp_path))

    assert json.loads(done.output.removeprefix(f"{ACCESS}---\n"))["spec"]["template"]["spec"]["initContainers"]


def test_standard_input_is_read_and_a_namespace_is_given(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        written(workload("apps/v1 Deployment")).replace("  namespace: orders\n", "").replace(", namespace: orders", "")
    )
    monkeypatch.setattr(sys, "stdin", StringIO(text))

    done = Ran(capsys, "-f", "-", "-n", "orders")

    assert done.status == 0
    assert "orders/checkout@1" in done.output
