"""What the verb `inject` refuses: it prints nothing then, says what is wrong, and ends with one."""

from typing import Any

import pytest

from cloudsql_iam_operator.__main__ import main
from unit.cli.shop import ACCESS, POD, workload, written


def test_one_refusal_lets_nothing_be_printed(ran: Any) -> None:
    wrong = workload("apps/v1 Deployment", POD.replace("serviceAccountName: checkout", "serviceAccountName: other"))

    done = ran(written(workload("batch/v1 Job"), wrong))

    assert (done.status, done.output) == (1, "")
    assert (
        "Deployment orders/web: cannot inject a proxy into pod orders/web-*: ServiceAccount orders/other" in done.error
    )


def test_a_misspelt_annotation_is_refused_as_the_webhook_refuses_it(ran: Any) -> None:
    done = ran(written(workload("apps/v1 Deployment", POD.replace("/inject:", "/injekt:"))))

    assert done.status == 1
    assert "iam.cloudsql.dev/injekt: no such annotation; did you mean iam.cloudsql.dev/inject?" in done.error


def test_a_wrong_wish_to_wait_is_refused(ran: Any) -> None:
    wish = POD.replace("inject: checkout", 'inject: checkout, iam.cloudsql.dev/wait: "later"')

    done = ran(written(workload("batch/v1 Job", wish)))

    assert done.status == 1
    assert "iam.cloudsql.dev/wait: is 'later'" in done.error


def test_an_object_of_ours_that_is_none_is_named_with_its_fault(ran: Any) -> None:
    done = ran(ACCESS.replace("database: orders", "databse: orders"))

    assert done.status == 1
    assert "DatabaseGrant reads: spec.database: is missing" in done.error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "is no YAML"),
        ("x0: &x0 {}\nx1: &x1 [*x0, *x0]\nkind: List\nitems: [*x1]\n", "is an alias: write it out"),
        ("- 1", "holds something that is no object"),
        ("kind: Deployment\napiVersion: apps/v1\nspec: 5\n", "holds a workload that is none"),
        ("a: " + "[" * 100_000, "more than 64 lists and maps"),
        ("a: !!timestamp soon\n", "timestamp is a tag: leave it out"),
        ("a: !!bool maybe\n", "bool is a tag: leave it out"),
        ("a: !!set {b, c}\n", "set is a tag: leave it out"),
        ("null: 1\n", "that is no name of a member: quote it"),
        ("? [a]\n: 1\n", "that is no name of a member: quote it"),
    ],
)
def test_what_is_no_manifest_is_refused_by_the_name_of_its_file(text: str, said: str, ran: Any) -> None:
    done = ran(text)

    assert (done.status, done.output) == (1, "")
    assert "shop.yaml" in done.error
    assert said in done.error


def test_wrong_arguments_do_not_look_like_changes() -> None:
    with pytest.raises(SystemExit) as raised:
        main(["inject"])

    assert raised.value.code == 1
