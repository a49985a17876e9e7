"""AdmissionReview, the API server's question and our answer, as JSON. What is answered is decided elsewhere."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from cloudsql_iam_operator.api.names import GROUP
from cloudsql_iam_operator.api.parsing.texts import printed
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Injected, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.workloads.templates import TEMPLATES

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT")

LONGEST_WARNING = 1000
SHORT_WARNING = 250
ALL_WARNINGS = 4000
"""Characters of one warning; of one when there are many; and of all together.

The API server cuts each to 256 once all together pass 4096. Source: Kubernetes, apiserver, endpoints/filters/warning.go
"""

LONGEST_MESSAGE = 4096
"""Characters of a denial: it repeats names of the pod, which nobody has looked at yet."""

_REASONS = {403: "Forbidden", 422: "Invalid", 500: "InternalError"}


class BadReview(ValueError):
    """The body is no AdmissionReview that can be answered."""


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to store. `body` is None when the review is none of our business.

    `group` and `kind` say what it is: a new pod, a workload of TEMPLATES, or a kind of ours. `operation` is one of
    OPERATIONS, "" for others.
    """

    uid: str
    namespace: str
    dry_run: bool
    body: Mapping[str, Any] | None
    group: str = ""
    kind: str = "Pod"
    operation: str = "CREATE"


def question(body: bytes) -> Question:
    """What the API server asks.

    Raises:
        BadReview: it cannot be understood.
    """
    try:
        review = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadReview("the body is no JSON") from error
    if not isinstance(review, dict) or (review.get("apiVersion"), review.get("kind")) != (API_VERSION, KIND):
        raise BadReview(f"the body is no {KIND} of {API_VERSION}")
    request = review.get("request")
    if not isinstance(request, dict) or not isinstance(request.get("uid"), str):
        raise BadReview("request.uid is missing")
    namespace = request.get("namespace")
    group, kind = _named(request.get("kind"))
    return Question(
        uid=request["uid"],
        namespace=namespace if isinstance(namespace, str) else "",
        dry_run=request.get("dryRun") is True,
        body=_subject(request, group, kind),
        group=group,
        kind=kind,
        operation=request["operation"] if request.get("operation") in OPERATIONS else "",
    )


def refusal(message: str) -> bytes:
    """The AdmissionReview that denies without a look at what is asked."""
    status = {"code": 403, "message": message, "reason": _REASONS[403]}
    return orjson.dumps(
        {"apiVersion": API_VERSION, "kind": KIND, "response": {"uid": "", "allowed": False, "status": status}}
    )


def answer(asked: Question, outcome: Outcome) -> bytes:
    """The AdmissionReview that answers so."""
    response: dict[str, Any] = {"uid": asked.uid, "allowed": not isinstance(outcome, Denied)}
    match outcome:
        case Injected(operations, warnings):
            patch = b"[%s]" % b",".join([operation.written for operation in operations])
            audit = _audit("injected")
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode(), **_warnings(warnings)}
        case Unchanged(code, warnings):
            # the second look at a pod that was injected a moment ago: the log keeps what the first said
            audit = {} if code is Code.ALREADY_INJECTED else _audit("unchanged", code.value)
            response |= _warnings(warnings)
        case Denied(status, code, message):
            audit = _audit("denied", code.value)
            reason = _REASONS.get(status, "")
            response["status"] = {"code": status, "message": _line(message)[:LONGEST_MESSAGE], "reason": reason}
        case _:
            assert_never(outcome)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response | audit})


def _audit(decision: str, reason: str = "") -> dict[str, dict[str, str]]:
    """What the API server's audit log says about the request: the same words as the metric, and no names."""
    return {"auditAnnotations": {"decision": decision} | ({"reason": reason} if reason else {})}


def _named(kind: Any) -> tuple[str, str]:
    """Group and kind that a review is about; ("", "") when it does not say."""
    named = kind if isinstance(kind, dict) else {}
    group, name = named.get("group", ""), named.get("kind")
    return (group, name) if isinstance(group, str) and isinstance(name, str) else ("", "")


def _subject(request: Mapping[str, Any], group: str, kind: str) -> Mapping[str, Any] | None:
    """What is to be stored; None for other kinds, operations and subresources, which are none of our business."""
    found = request.get("object")
    updates = (group, kind) in TEMPLATES or group == GROUP
    if request.get("subResource") or not (updates or (group, kind) == ("", "Pod")):
        return None
    if request.get("operation") != "CREATE" and not (updates and request.get("operation") == "UPDATE"):
        return None
    if found is not None and not isinstance(found, dict):
        raise BadReview("request.object is no object")
    return found


def _warnings(warnings: tuple[str, ...]) -> dict[str, list[str]]:
    shown = [_cut(_line(warning[: LONGEST_WARNING + 1]), LONGEST_WARNING) for warning in warnings]
    if sum(map(len, shown)) > ALL_WARNINGS:
        shown = [_cut(warning, SHORT_WARNING) for warning in shown]
    return {"warnings": shown} if shown else {}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _line(text: str) -> str:
    return printed(text).replace("\n", " ")
