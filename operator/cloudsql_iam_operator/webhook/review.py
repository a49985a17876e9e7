"""AdmissionReview, the API server's question and our answer, as JSON. What is answered is decided elsewhere."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

import orjson

from cloudsql_iam_operator.api.parsing.texts import printed
from cloudsql_iam_operator.core.injection.outcome import Denied, Injected, Outcome, Unchanged

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

LONGEST_WARNING = 250
"""The API server cuts longer ones. Source: Kubernetes, "Dynamic Admission Control", response."""

LONGEST_MESSAGE = 4096
"""Characters of a denial: it repeats names of the pod, which nobody has looked at yet."""

_REASONS = {403: "Forbidden", 422: "Invalid", 500: "InternalError"}


class BadReview(ValueError):
    """The body is no AdmissionReview that can be answered."""


@dataclass(frozen=True, slots=True)
class Question:
    """A pod that somebody wants to create; `pod` is None when the review is about something else."""

    uid: str
    namespace: str
    dry_run: bool
    pod: Mapping[str, Any] | None


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
    return Question(
        uid=request["uid"],
        namespace=namespace if isinstance(namespace, str) else "",
        dry_run=request.get("dryRun") is True,
        pod=_pod(request),
    )


def answer(asked: Question, outcome: Outcome) -> bytes:
    """The AdmissionReview that answers so."""
    response: dict[str, Any] = {"uid": asked.uid, "allowed": not isinstance(outcome, Denied)}
    match outcome:
        case Injected(operations, warnings):
            patch = orjson.dumps([operation.operation() for operation in operations])
            response |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode(), **_warnings(warnings)}
        case Unchanged(_, warnings):
            response |= _warnings(warnings)
        case Denied(status, _, message):
            reason = _REASONS.get(status, "")
            response["status"] = {"code": status, "message": _line(message)[:LONGEST_MESSAGE], "reason": reason}
        case _:
            assert_never(outcome)
    return orjson.dumps({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _pod(request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The pod to be created; None for other kinds, operations and subresources, which are none of our business."""
    kind, pod = request.get("kind"), request.get("object")
    about_pods = isinstance(kind, dict) and (kind.get("group", ""), kind.get("kind")) == ("", "Pod")
    if not about_pods or request.get("operation") != "CREATE" or request.get("subResource"):
        return None
    if pod is not None and not isinstance(pod, dict):
        raise BadReview("request.object is no object")
    return pod


def _warnings(warnings: tuple[str, ...]) -> dict[str, list[str]]:
    shown = [_line(warning[: LONGEST_WARNING + 1]) for warning in warnings]
    cut = [w if len(w) <= LONGEST_WARNING else f"{w[: LONGEST_WARNING - 1]}…" for w in shown]
    return {"warnings": cut} if cut else {}


def _line(text: str) -> str:
    return printed(text).replace("\n", " ")
