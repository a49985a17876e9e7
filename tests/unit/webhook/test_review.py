import base64
import json
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Unchanged
from cloudsql_iam_operator.core.injection.patch import Add
from cloudsql_iam_operator.webhook.review import BadReview, Question, answer, question

ASKED = Question(uid="u-1", namespace="orders", dry_run=False, body={})


def review(**request: Any) -> bytes:
    asked = {
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "orders",
        "object": {"metadata": {"name": "web-1"}},
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked | request}
    return json.dumps(body).encode()


def response(answered: bytes) -> dict[str, Any]:
    body = json.loads(answered)
    assert (body["apiVersion"], body["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    found: dict[str, Any] = body["response"]
    return found


def test_a_review_about_a_new_pod_is_understood() -> None:
    assert question(review(dryRun=True)) == Question(
        "u-1", "orders", dry_run=True, body={"metadata": {"name": "web-1"}}
    )


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "DELETE", "object": None},
        {"operation": "UPDATE"},
        {"subResource": "ephemeralcontainers"},
        {"kind": {"group": "apps", "version": "v1", "kind": "ReplicaSet"}},
        {"kind": {"group": "", "version": "v1", "kind": "Deployment"}},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "operation": "DELETE"},
        {"kind": {"group": "apps", "version": "v1", "kind": "Deployment"}, "subResource": "scale"},
        {"kind": {"group": 5, "version": "v1", "kind": ["Pod"]}},
        {"kind": None},
        {"object": None},
    ],
)
def test_a_review_about_anything_else_is_none_of_our_business(request_: dict[str, Any]) -> None:
    assert question(review(**request_)).body is None


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE"])
@pytest.mark.parametrize(
    ("group", "kind"),
    [
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "DaemonSet"),
        ("batch", "Job"),
        ("batch", "CronJob"),
        ("iam.cloudsql.dev", "CloudSQLIAMUser"),
    ],
)
def test_what_makes_pods_is_looked_at_when_it_is_made_and_changed(operation: str, group: str, kind: str) -> None:
    asked = question(review(operation=operation, kind={"group": group, "version": "v1", "kind": kind}))

    assert (asked.group, asked.kind, asked.body) == (group, kind, {"metadata": {"name": "web-1"}})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"x"}}',
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":5}}',
        review(object=[1]),
    ],
)
def test_a_body_that_is_no_review_is_refused(body: bytes) -> None:
    with pytest.raises(BadReview):
        question(body)


def test_a_patch_is_sent_as_json_patch_with_the_warnings() -> None:
    answered = response(answer(ASKED, Injected((Add("/a", 1),), ("mind the gap",))))

    assert json.loads(base64.b64decode(answered.pop("patch"))) == [{"op": "add", "path": "/a", "value": 1}]
    assert answered == {
        "uid": "u-1",
        "allowed": True,
        "patchType": "JSONPatch",
        "warnings": ["mind the gap"],
        "auditAnnotations": {"decision": "injected"},
    }


def test_a_pod_left_alone_is_allowed_without_a_patch() -> None:
    assert response(answer(ASKED, Unchanged(Code.OPTED_OUT))) == {
        "uid": "u-1",
        "allowed": True,
        "auditAnnotations": {"decision": "unchanged", "reason": "opted-out"},
    }


def test_a_second_look_at_a_pod_adds_nothing_to_the_audit_log() -> None:
    assert response(answer(ASKED, Unchanged(Code.ALREADY_INJECTED))) == {"uid": "u-1", "allowed": True}


def test_a_denial_has_a_code_and_a_text() -> None:
    assert response(answer(ASKED, Denied(403, Code.IDENTITY, "no"))) == {
        "uid": "u-1",
        "allowed": False,
        "status": {"code": 403, "message": "no", "reason": "Forbidden"},
        "auditAnnotations": {"decision": "denied", "reason": "identity"},
    }


def test_a_warning_is_whole_where_the_api_server_leaves_it_whole() -> None:
    assert response(answer(ASKED, Unchanged(Code.OTHER_PROXY, ("x" * 900,))))["warnings"] == ["x" * 900]


def test_long_warnings_are_cut_where_the_api_server_would_cut_them() -> None:
    several = tuple(letter * 1200 for letter in "abcde")

    assert response(answer(ASKED, Unchanged(Code.OTHER_PROXY, several[:2])))["warnings"] == [
        "a" * 999 + "…",
        "b" * 999 + "…",
    ]
    assert response(answer(ASKED, Unchanged(Code.OTHER_PROXY, several)))["warnings"] == [c * 249 + "…" for c in "abcde"]


def test_what_a_pod_says_reaches_no_terminal_as_a_command() -> None:
    hostile = "container \x1b[2J\r\x9b31m\u202egpj\u2028\nnext"

    (warning,) = response(answer(ASKED, Unchanged(Code.OTHER_PROXY, (hostile,))))["warnings"]
    message = response(answer(ASKED, Denied(422, Code.POD_SHAPE, hostile + "x" * 1_000_000)))["status"]["message"]

    assert warning == r"container \x1b[2J\r\x9b31m\u202egpj\u2028 next"
    assert message.startswith(warning)
    assert len(message) == 4096
