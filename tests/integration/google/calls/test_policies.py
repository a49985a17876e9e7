"""What answers of the Resource Manager API mean: prepared answers for the real client."""

import pytest

from cloudsql_iam_operator.adapters.google.resource_manager import PolicyConflict, PolicyRejected, ResourceManager
from cloudsql_iam_operator.core.iam.policy import Policy
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.stand_in import Google, failure_of


@pytest.fixture
def projects(stand_in: Google) -> ResourceManager:
    return ResourceManager(stand_in.endpoints, stand_in.caller)


def test_a_policy_is_read_and_written_as_version_3_with_its_etag(stand_in: Google, projects: ResourceManager) -> None:
    stored = {"version": 1, "etag": "BwX", "bindings": [{"role": "roles/viewer", "members": ["user:a@x"]}], "new": 1}
    stand_in.says(200, stored)

    policy = projects.get_policy("acme-prod")
    projects.set_policy("acme-prod", policy)

    assert stand_in.asked == [
        (
            "POST",
            "/v3/projects/acme-prod:getIamPolicy?alt=json",
            {"options": {"requestedPolicyVersion": 3}},
        ),
        ("POST", "/v3/projects/acme-prod:setIamPolicy?alt=json", {"policy": {**stored, "version": 3}}),
    ]
    assert stand_in.fences == 1


@pytest.mark.parametrize("code", [409, 412])
def test_a_lost_race_is_told_apart(stand_in: Google, projects: ResourceManager, code: int) -> None:
    stand_in.refuses(code, "There were concurrent policy changes.", "aborted")

    with pytest.raises(PolicyConflict):
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))


@pytest.mark.parametrize(
    ("message", "culprit"),
    [
        ("Service account x@p.iam.gserviceaccount.com does not exist.", "x@p.iam.gserviceaccount.com"),
        ("User Ann@acme.com does not exist.", "ann@acme.com"),
        ("Group g@acme.com does not exist.", "g@acme.com"),
        ('Account a@b.com is of type "user". Please set the type prefix to be "user:".', "a@b.com"),
        ("Role roles/x is not supported for this resource.", "roles/x"),
        ("One or more users named in the policy do not belong to a permitted customer.", ""),
    ],
)
def test_a_refused_policy_names_its_culprit_when_google_does(
    stand_in: Google, projects: ResourceManager, message: str, culprit: str
) -> None:
    stand_in.refuses(400, message, "badRequest")

    with pytest.raises(PolicyRejected) as caught:
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))

    assert caught.value.culprit == culprit


def test_a_member_that_is_not_there_is_told_with_what_would_help(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.refuses(400, "User nobody@acme.example does not exist.", "badRequest")

    with pytest.raises(PolicyRejected) as caught:
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))

    assert caught.value.text == (
        "User nobody@acme.example does not exist. Create it in Google, or correct spec.principal."
    )


def test_a_full_policy_is_told(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.refuses(
        400, "The number of members in the policy (1,501) is larger than the maximum allowed size 1,500.", "badRequest"
    )

    failure = failure_of(projects.set_policy, "acme-prod", Policy({"etag": "BwX"}))

    assert failure.reason is Reason.IAM_POLICY_FULL


def test_a_policy_without_an_etag_is_neither_believed_nor_written(stand_in: Google, projects: ResourceManager) -> None:
    stand_in.says(200, {})

    assert failure_of(projects.get_policy, "acme-prod").reason is Reason.UNEXPECTED_ANSWER
    assert failure_of(projects.set_policy, "acme-prod", Policy({"bindings": []})).reason is Reason.UNEXPECTED_ANSWER
    assert [path for _, path, _ in stand_in.asked] == ["/v3/projects/acme-prod:getIamPolicy?alt=json"]


@pytest.mark.parametrize(
    "words", ["Operation denied by org policy constraints/iam.x", "Request contains an invalid argument."]
)
def test_any_400_of_googles_is_a_policy_that_was_refused(
    stand_in: Google, projects: ResourceManager, words: str
) -> None:
    stand_in.refuses(400, words, "badRequest")

    with pytest.raises(PolicyRejected):
        projects.set_policy("acme-prod", Policy({"etag": "BwX"}))
