from dataclasses import replace
from typing import Any

import pytest

from cloudsql_iam_operator.core.injection.facts import Facts, Login
from cloudsql_iam_operator.core.injection.outcome import Code, Denied, Outcome, Unchanged
from cloudsql_iam_operator.core.injection.pod import MalformedPod
from cloudsql_iam_operator.core.injection.workloads.templates import TEMPLATES, Workload, pod_of, reviewed
from support.podshapes import ACCOUNT, CHECKOUT, DOMAIN, FACTS, SETTINGS, pod, users

KINDS = sorted(TEMPLATES)
INJECT = f"{DOMAIN}/inject"


def workload(group: str = "apps", kind: str = "Deployment", **metadata: Any) -> Workload:
    """A workload whose template is that of an ordinary pod; `metadata` is the workload's own."""
    made = pod()
    body: dict[str, Any] = {"metadata": made["metadata"], "spec": made["spec"]}
    for step in reversed(TEMPLATES[group, kind]):
        body = {step: body}
    return Workload(group, kind, {"kind": kind, "metadata": {"name": "web", **metadata}, **body})


def template(of: Workload) -> dict[str, Any]:
    found: Any = of.body
    for step in of.steps:
        found = found[step]
    assert isinstance(found, dict)
    return found


def told(of: Workload, facts: Facts = FACTS) -> tuple[str, ...]:
    outcome = reviewed(of, facts, SETTINGS)
    assert isinstance(outcome, Unchanged), outcome
    return outcome.warnings


@pytest.mark.parametrize(("group", "kind"), KINDS)
def test_a_template_whose_pods_will_get_their_proxy_is_stored_without_a_word(group: str, kind: str) -> None:
    assert reviewed(workload(group, kind), FACTS, SETTINGS) == Unchanged(Code.TEMPLATE)


@pytest.mark.parametrize(("group", "kind"), KINDS)
def test_an_annotation_on_the_wrong_level_is_told_with_the_right_one(group: str, kind: str) -> None:
    of = workload(group, kind, annotations={INJECT: "checkout"})
    del template(of)["metadata"]["annotations"]

    (warning,) = told(of)

    right = ".".join((*TEMPLATES[group, kind], "metadata.annotations"))
    assert warning.startswith(f"{INJECT} in metadata.annotations of the {kind} is read by nobody")
    assert warning.endswith(f"move it to {right}")


def test_an_annotation_on_the_job_template_of_a_cron_job_is_told() -> None:
    of = workload("batch", "CronJob")
    of.body["spec"]["jobTemplate"]["metadata"] = {"annotations": {INJECT: "checkout"}}

    (warning,) = told(of)

    assert warning.startswith(f"{INJECT} in spec.jobTemplate.metadata.annotations of the CronJob")


@pytest.mark.parametrize(("group", "kind"), KINDS)
@pytest.mark.parametrize("inside", [True, False])
def test_a_label_that_was_meant_as_an_annotation_is_told(group: str, kind: str, inside: bool) -> None:
    of = workload(group, kind)
    place = template(of) if inside else of.body
    place["metadata"]["labels"] = {INJECT: "checkout", "app": "web"}

    (warning,) = told(of)

    assert f"{INJECT} in " in warning
    assert "is a label, and labels are not read" in warning


@pytest.mark.parametrize(("group", "kind"), KINDS)
def test_a_typing_error_is_refused_where_a_person_reads_it(group: str, kind: str) -> None:
    of = workload(group, kind)
    template(of)["metadata"]["annotations"] = {f"{DOMAIN}/injekt": "checkout"}

    outcome = reviewed(of, FACTS, SETTINGS)

    assert isinstance(outcome, Denied)
    assert (outcome.status, outcome.code) == (422, Code.ANNOTATION)
    assert "did you mean iam.cloudsql.dev/inject?" in outcome.message


UNBOUND = replace(ACCOUNT, google_account="")
OTHER = replace(ACCOUNT, google_account="billing@acme-prod.iam.gserviceaccount.com")
LATER = {
    "no user": users(),
    "no account": users(CHECKOUT, account=None),
    "an account that acts as nobody": users(CHECKOUT, account=UNBOUND),
    "a user that goes": users(replace(CHECKOUT, deleting=True)),
    "no instance": users(replace(CHECKOUT, instance=None)),
}
NEVER = {
    "another identity": (users(CHECKOUT, account=OTHER), Code.IDENTITY),
    "a user that cannot log in": (users(replace(CHECKOUT, login=Login.STALLED)), Code.LOGIN),
    "a user that has expired": (users(replace(CHECKOUT, login=Login.EXPIRED)), Code.LOGIN),
}


@pytest.mark.parametrize("facts", LATER.values(), ids=LATER)
def test_what_may_still_appear_is_a_warning(facts: Facts) -> None:
    (warning,) = told(workload(), facts)

    assert warning.startswith("its pods are refused, and tried again, until this is settled: ")
    assert "web-*" not in warning


@pytest.mark.parametrize(("facts", "code"), NEVER.values(), ids=NEVER)
def test_what_only_an_edit_helps_is_refused(facts: Facts, code: Code) -> None:
    outcome: Outcome = reviewed(workload(), facts, SETTINGS)

    assert isinstance(outcome, Denied)
    assert outcome.code is code


def test_a_user_that_is_not_ready_is_told() -> None:
    (warning,) = told(workload(), users(replace(CHECKOUT, login=Login.WAITS)))

    assert "is not ready yet" in warning


@pytest.mark.parametrize("event", ["pre-install", "pre-install,pre-upgrade", " pre-rollback "])
def test_a_hook_before_its_own_chart_is_told_why_it_waits_in_vain(event: str) -> None:
    hook, waiting = told(workload("batch", "Job", annotations={"helm.sh/hook": event}), users())

    assert "for a CloudSQLIAMUser of the same chart it waits in vain" in hook
    assert "helm.sh/hook-delete-policy: hook-failed" in hook
    assert waiting.startswith("its pods are refused")


@pytest.mark.parametrize("event", ["post-install", "test", ""])
def test_a_hook_after_its_chart_is_told_only_that_it_waits(event: str) -> None:
    assert len(told(workload("batch", "Job", annotations={"helm.sh/hook": event}), users())) == 1


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_a_deadline_that_runs_while_pods_wait_is_told(kind: str) -> None:
    of = workload("batch", kind)
    place: Any = of.body
    for step in of.steps[:-1]:
        place = place[step]
    place["activeDeadlineSeconds"] = 300

    deadline, _ = told(of, users(replace(CHECKOUT, login=Login.WAITS)))

    assert deadline == "its activeDeadlineSeconds of 300 runs while its pods wait: leave room for that"
    assert told(of) == ()


def test_a_pod_is_what_the_controller_would_make() -> None:
    of = workload("batch", "CronJob")
    template(of)["metadata"]["name"] = "ignored"

    made = pod_of(of)

    assert made["metadata"]["generateName"] == "web-"
    assert "name" not in made["metadata"]
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert made["spec"] == pod()["spec"]


@pytest.mark.parametrize(
    "body",
    [
        {"spec": 5},
        {"spec": {"template": []}},
        {"metadata": "x", "spec": {}},
        {"metadata": {"name": 5}},
        {"metadata": {"labels": [1]}},
        {"spec": {"template": {"metadata": {"annotations": "x"}}}},
        {"spec": {"template": {"spec": {"containers": 5}}}},
    ],
)
def test_an_object_that_is_no_workload_is_said_to_be_none(body: dict[str, Any]) -> None:
    with pytest.raises(MalformedPod):
        reviewed(Workload("apps", "Deployment", body), FACTS, SETTINGS)


@pytest.mark.parametrize("body", [{}, {"spec": None}, {"spec": {"template": None}}, {"metadata": None}])
def test_an_empty_workload_asks_for_nothing(body: dict[str, Any]) -> None:
    assert reviewed(Workload("apps", "Deployment", body), FACTS, SETTINGS) == Unchanged(Code.NO_ANNOTATIONS)
