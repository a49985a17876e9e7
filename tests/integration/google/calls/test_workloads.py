"""Which Kubernetes ServiceAccount may act as which Google account, and which workload pool is the cluster's."""

import pytest

from cloudsql_iam_operator.adapters.google.client import Caller
from cloudsql_iam_operator.adapters.google.credentials import impersonated
from cloudsql_iam_operator.adapters.google.metadata import workload_pool
from cloudsql_iam_operator.adapters.google.service_accounts import ServiceAccounts, Workload
from cloudsql_iam_operator.adapters.google.sqladmin import SQLAdmin
from cloudsql_iam_operator.core.reasons import Reason
from integration.google.calls.orders import ORDERS
from integration.google.stand_in import Google, failure_of, identity

EMAIL = "checkout@acme-prod.iam.gserviceaccount.com"
MEMBER = "serviceAccount:acme-prod.svc.id.goog[orders/checkout]"
WORKLOAD = Workload("acme-prod.svc.id.goog", "orders", "checkout")
POOL = "iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/acme-prod.svc.id.goog"


@pytest.mark.parametrize(
    ("member", "covered"),
    [
        (MEMBER, True),
        (f"principal://{POOL}/subject/ns/orders/sa/checkout", True),
        (f"principalSet://{POOL}/namespace/orders", True),
        (f"principalSet://{POOL}/*", True),
        (f"principal://{POOL}/subject/ns/orders/sa/other", False),
        (f"principal://{POOL}/subject/ns/billing/sa/checkout", False),
        (f"principalSet://{POOL}/namespace/billing", False),
        (f"principal://{POOL}/*", False),
        (f"principalSet://{POOL}/subject/ns/orders/sa/checkout", False),
        (f"principalSet://{POOL}/kubernetes.cluster/https://container.googleapis.com/v1/projects/p/clusters/c", False),
        (f"principalSet://{POOL.replace('acme-prod', 'evil')}/*", False),
        (f"principalSet://{POOL.replace('projects/123456789012', 'projects/../x')}/*", False),
        (f"deleted:principalSet://{POOL}/*", False),
        (f"principal://{POOL}/subject/ns/orders/sa/checkout?uid=1", False),
        ("allAuthenticatedUsers", False),
    ],
)
def test_every_form_of_a_workload_proves_it_and_nothing_else_does(member: str, covered: bool) -> None:
    assert WORKLOAD.is_covered_by(member) is covered


def test_an_account_that_may_not_be_seen_is_not_told_from_one_that_is_not_there(stand_in: Google) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.refuses(403, "Permission 'iam.serviceAccounts.getIamPolicy' denied on resource (or it may not exist).")

    failure = failure_of(accounts.admits, EMAIL, WORKLOAD)

    assert failure.reason is Reason.IAM_PERMISSION_DENIED
    assert f"{EMAIL} (or there is no such account: Google answers both alike)" in failure.message


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((200, b"acme-prod", "Google"), "acme-prod.svc.id.goog"),
        ((200, b"example.com:acme\n", "Google"), "example.com:acme.svc.id.goog"),
        ((200, b"acme-prod", ""), Reason.UNEXPECTED_ANSWER),
        ((200, b"<html>Sign in</html>", "Google"), Reason.UNEXPECTED_ANSWER),
        ((404, b"Not Found", "Google"), Reason.UNEXPECTED_ANSWER),
    ],
)
def test_the_workload_pool_is_the_metadata_servers_whatever_the_credentials_say(
    stand_in: Google, monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes, str], expected: object
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", stand_in.address.removeprefix("http://"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "another")
    status, told, flavor = answer
    stand_in.says(status, told, Metadata_Flavor=flavor)

    assert workload_pool("given.svc.id.goog")() == "given.svc.id.goog"
    if isinstance(expected, str):
        assert workload_pool("")() == expected
    else:
        assert failure_of(workload_pool("")).reason is expected
    assert stand_in.asked == [("GET", "/computeMetadata/v1/project/project-id", None)]


@pytest.mark.parametrize(
    ("binding", "admitted"),
    [
        ({"role": "roles/iam.workloadIdentityUser", "members": [MEMBER]}, True),
        ({"role": "roles/iam.serviceAccountUser", "members": [MEMBER]}, False),
        ({"role": "roles/iam.workloadIdentityUser", "members": [MEMBER.replace("orders", "billing")]}, False),
        (
            {
                "role": "roles/iam.workloadIdentityUser",
                "members": [MEMBER],
                "condition": {"title": "t", "expression": "false"},
            },
            False,
        ),
    ],
)
def test_a_workload_is_proven_by_the_accounts_policy(
    stand_in: Google, binding: dict[str, object], admitted: bool
) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.says(200, {"etag": "BwX", "bindings": [binding]})

    assert accounts.admits(EMAIL, WORKLOAD) is admitted
    path = f"/v1/projects/-/serviceAccounts/{EMAIL}:getIamPolicy?options.requestedPolicyVersion=3&alt=json"
    assert stand_in.asked[0][1] == path


@pytest.mark.parametrize(
    ("email", "part"),
    [
        (
            "v@p.iam.gserviceaccount.com:disable?x=.gserviceaccount.com",
            "v@p.iam.gserviceaccount.com%3Adisable%3Fx%3D.gserviceaccount.com",
        ),
        (
            "v@p.iam.gserviceaccount.com:undelete#.gserviceaccount.com",
            "v@p.iam.gserviceaccount.com%3Aundelete%23.gserviceaccount.com",
        ),
        ("a/../b@p.iam.gserviceaccount.com", "a%2F..%2Fb@p.iam.gserviceaccount.com"),
        ("a b\n%2F\u00e4@p.iam.gserviceaccount.com", "a%20b%0A%252F%C3%A4@p.iam.gserviceaccount.com"),
        ("a&b;c=d@p.iam.gserviceaccount.com", "a%26b%3Bc%3Dd@p.iam.gserviceaccount.com"),
    ],
)
def test_what_a_tenant_wrote_never_chooses_the_method_that_google_is_asked_for(
    stand_in: Google, email: str, part: str
) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.says(200, {"etag": "BwX"})

    accounts.admits(email, WORKLOAD)
    robot = impersonated(identity(), email, stand_in.endpoints)
    failure_of(SQLAdmin(stand_in.endpoints, Caller(robot, stand_in.fence)).users, ORDERS)

    asked = [path.removeprefix("/v1/projects/-/serviceAccounts/") for _, path, _ in stand_in.asked]
    assert asked == [f"{part}:getIamPolicy?options.requestedPolicyVersion=3&alt=json", f"{part}:generateAccessToken"]


def test_an_absent_account_is_told(stand_in: Google) -> None:
    accounts = ServiceAccounts(stand_in.endpoints, stand_in.caller)
    stand_in.refuses(404, "Unknown service account", "notFound")

    assert failure_of(accounts.admits, EMAIL, WORKLOAD).reason is Reason.PRINCIPAL_NOT_FOUND
