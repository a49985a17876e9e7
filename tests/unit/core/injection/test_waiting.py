from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudsql_iam_operator.api.injection.access import Wait
from cloudsql_iam_operator.core.injection.facts import Login, UserFact
from cloudsql_iam_operator.core.injection.manifest import parsed
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.waiting import wait_of, waiting_warnings
from support.podshapes import CHECKOUT, denied, pod, users, warnings

LATER = datetime(2026, 11, 26, 12, 0, 30, tzinfo=UTC)
READY = CHECKOUT
UNREADY = replace(CHECKOUT, login=Login.WAITS, problem="Progressing: creating the database user")
NEW_GRANT = replace(CHECKOUT, unseen=("reports",))
ROLES_DUE = replace(CHECKOUT, roles_due=True)
OBSERVED = replace(CHECKOUT, login=Login.OBSERVED)
SETTLING = replace(CHECKOUT, acts_at=LATER)
BOTH = replace(UNREADY, acts_at=LATER)
ONCE: tuple[Mapping[str, Any], ...] = (
    {"spec": {"restartPolicy": "Never"}},
    {"spec": {"restartPolicy": "OnFailure"}, "metadata": {"ownerReferences": [{"kind": "Job", "name": "once"}]}},
)
AGAIN: tuple[Mapping[str, Any], ...] = (
    {},
    {"spec": {"restartPolicy": "Always"}},
    {"spec": {"restartPolicy": "OnFailure"}},
    {"metadata": {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1"}]}},
)


@pytest.mark.parametrize("body", ONCE)
def test_a_pod_that_is_not_run_again_waits_until_its_login_works(body: Mapping[str, Any]) -> None:
    assert wait_of(None, parsed(body).frame) is Wait.READY


@pytest.mark.parametrize("body", AGAIN)
def test_a_pod_that_is_run_again_does_not_wait(body: Mapping[str, Any]) -> None:
    assert wait_of(None, parsed(body).frame) is Wait.NONE


@pytest.mark.parametrize("said", list(Wait))
@pytest.mark.parametrize("body", [*ONCE, *AGAIN])
def test_what_the_annotation_says_counts(body: Mapping[str, Any], said: Wait) -> None:
    assert wait_of(said, parsed(body).frame) is said


TABLE = [
    (READY, "starts", "starts", "starts"),
    (UNREADY, "starts", "waits", "waits"),
    (NEW_GRANT, "starts", "waits", "waits"),
    (ROLES_DUE, "starts", "waits", "waits"),
    (OBSERVED, "starts", "starts", "starts"),
    (SETTLING, "starts", "starts", "waits"),
    (BOTH, "starts", "waits", "waits"),
]


@pytest.mark.parametrize(
    ("user", "wait", "expected"),
    [
        (row[0], wait, expected)
        for row in TABLE
        for wait, expected in zip((Wait.NONE, Wait.READY, Wait.PROPAGATED), row[1:], strict=True)
    ],
)
@pytest.mark.parametrize("body", [ONCE[0], AGAIN[0]])
def test_a_pod_waits_for_what_it_says(user: UserFact, wait: Wait, expected: str, body: Mapping[str, Any]) -> None:
    assert _found(user, wait, body) == expected


def _found(user: UserFact, wait: Wait, body: Mapping[str, Any]) -> str:
    try:
        list(waiting_warnings(user, wait, parsed(body).frame))
    except Refusal as refusal:
        return "waits" if (refusal.denied.status, refusal.denied.code) == (403, Code.WAIT) else "is refused"
    return "starts"


def test_the_refusal_says_why_until_when_and_how_not_to_wait() -> None:
    body = pod(restartPolicy="Never")
    body["metadata"]["ownerReferences"] = [{"kind": "Job", "name": "migrate"}]

    assert denied(body, users(UNREADY)) == (
        "403 CloudSQLIAMUser checkout is not ready (Progressing: creating the database user): the pod is refused until "
        "it is, and made again by its controller; iam.cloudsql.dev/wait: none starts it now"
    )


def test_a_pod_that_nobody_makes_again_is_told_so() -> None:
    assert denied(pod(restartPolicy="Never"), users(UNREADY)).endswith(
        "the pod is refused until it is, and nobody makes it again: apply it then, or make it a Job; "
        "iam.cloudsql.dev/wait: none starts it now"
    )


@pytest.mark.parametrize("kind", ["Workflow", "TaskRun"])
def test_a_pod_whose_owner_may_give_up_is_told_so(kind: str) -> None:
    body = pod(restartPolicy="Never")
    body["metadata"]["ownerReferences"] = [{"kind": kind, "name": "nightly", "controller": True}]

    assert f"and whether its {kind} makes it again is not known; iam.cloudsql.dev/wait: none" in denied(
        body, users(UNREADY)
    )


def test_a_new_grant_is_waited_for_by_name() -> None:
    assert "DatabaseGrant reports for checkout was not carried out yet" in denied(
        pod(restartPolicy="Never"), users(NEW_GRANT)
    )


def test_database_roles_are_waited_for() -> None:
    assert "database roles of CloudSQLIAMUser checkout were not given yet" in denied(
        pod(restartPolicy="Never"), users(ROLES_DUE)
    )


def test_a_user_that_is_only_observed_starts_with_a_warning() -> None:
    (warning,) = warnings(pod(restartPolicy="Never"), users(OBSERVED))

    assert warning == "CloudSQLIAMUser checkout is only observed, and not as declared: logins may fail"


def test_a_pod_that_runs_once_is_told_while_iam_may_not_act_yet() -> None:
    (warning,) = warnings(pod(restartPolicy="Never"), users(SETTLING))

    assert warning.startswith("IAM may take until 2026-11-26T12:00:30Z to let CloudSQLIAMUser checkout in")


def test_a_pod_that_is_run_again_starts_with_the_warning() -> None:
    (warning,) = warnings(pod(), users(UNREADY))

    assert "is not ready yet, logins fail until it is" in warning


@pytest.mark.parametrize("said", ["ready", "propagated"])
def test_a_server_that_says_so_waits_too(said: str) -> None:
    assert "is not ready" in denied(pod(annotations={"wait": said}), users(UNREADY))


def test_a_job_that_says_so_starts_at_once() -> None:
    assert warnings(pod(annotations={"wait": "none"}, restartPolicy="Never"), users(UNREADY))


def test_another_word_is_refused_with_those_there_are() -> None:
    assert denied(pod(annotations={"wait": "forever"})).startswith("422 iam.cloudsql.dev/wait")


def test_a_pod_that_waits_is_not_started_without_its_proxy_instead() -> None:
    said = {"wait": "ready", "on-error": "skip"}

    assert denied(pod(annotations=said), users(UNREADY)).startswith("403 CloudSQLIAMUser checkout is not ready")
