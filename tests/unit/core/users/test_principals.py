"""A principal's names: what IAM calls it and what PostgreSQL calls it."""

import pytest

from cloudsql_iam_operator.api.user import (
    Group,
    KubernetesServiceAccount,
    Principal,
    ServiceAccount,
    User,
    WorkforceIdentity,
)
from cloudsql_iam_operator.core.errors import Failure, NotYet, Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import ResolvedPrincipal, UserType, is_cut, kept, resolve

CHECKOUT = "checkout@acme-prod.iam.gserviceaccount.com"
LONGEST = "orders-checkout-web-shop-team1@acme-production-environment-01.iam.gserviceaccount.com"
SUBJECT = "principal://iam.googleapis.com/locations/global/workforcePools/acme/subject/Ann@acme.com"


@pytest.mark.parametrize(
    ("principal", "member", "username", "user_type"),
    [
        (ServiceAccount(CHECKOUT), f"serviceAccount:{CHECKOUT}", "checkout@acme-prod.iam", UserType.SERVICE_ACCOUNT),
        (
            ServiceAccount("123-compute@developer.gserviceaccount.com"),
            "serviceAccount:123-compute@developer.gserviceaccount.com",
            "123-compute@developer",
            UserType.SERVICE_ACCOUNT,
        ),
        (User("Ann@Acme.com"), "user:ann@acme.com", "ann@acme.com", UserType.USER),
        (Group("orders-dev@acme.com"), "group:orders-dev@acme.com", "orders-dev@acme.com", UserType.GROUP),
        (WorkforceIdentity(SUBJECT), SUBJECT, "Ann@acme.com", UserType.WORKFORCE_IDENTITY),
    ],
)
def test_every_principal_has_a_member_and_a_username(
    principal: Principal, member: str, username: str, user_type: UserType
) -> None:
    resolved = resolve(principal)

    assert (resolved.member, resolved.username, resolved.user_type) == (member, username, user_type)


def test_a_kubernetes_service_account_is_its_google_account() -> None:
    resolved = resolve(KubernetesServiceAccount("checkout"), CHECKOUT.upper())

    assert resolved == ResolvedPrincipal(
        f"serviceAccount:{CHECKOUT}", "checkout@acme-prod.iam", UserType.SERVICE_ACCOUNT, CHECKOUT
    )


def test_a_kubernetes_service_account_without_a_google_account_is_waited_for() -> None:
    with pytest.raises(NotYet) as caught:
        resolve(KubernetesServiceAccount("checkout"), namespace="orders")

    assert caught.value.reason is Reason.SERVICE_ACCOUNT_NOT_ANNOTATED
    assert caught.value.message == (
        "ServiceAccount orders/checkout names no Google account: "
        "annotate it with iam.gke.io/gcp-service-account: NAME@PROJECT.iam.gserviceaccount.com "
        "(a principal of Workload Identity Federation alone can be no database user)"
    )


def test_an_annotation_with_the_database_user_is_answered_with_the_whole_email() -> None:
    with pytest.raises(Refused) as caught:
        resolve(KubernetesServiceAccount("checkout"), "checkout@acme.iam", "orders")

    assert "serviceAccount: 'checkout@acme.iam.gserviceaccount.com'" in caught.value.message


def test_an_annotation_that_is_no_account_is_named_with_its_object() -> None:
    with pytest.raises(Refused) as caught:
        resolve(KubernetesServiceAccount("checkout"), "not an email", "orders")

    assert caught.value.message == (
        "ServiceAccount orders/checkout, annotation iam.gke.io/gcp-service-account "
        "is 'not an email', which is not a service account's e-mail, "
        "such as checkout@acme-prod.iam.gserviceaccount.com: give it in full"
    )


@pytest.mark.parametrize(
    "annotation",
    [
        f"victim@p.iam.gserviceaccount.com:disable#{CHECKOUT}",
        f"a/../b?x=y&z#{CHECKOUT}",
        f"a%2f{CHECKOUT}",
        f"a\n{CHECKOUT}",
        f"\u212a{CHECKOUT}",  # the Kelvin sign, whose lower case is k
        f"\uff41{CHECKOUT}",  # a full-width letter
        f"serviceAccount:{CHECKOUT}",
        f"{CHECKOUT}@{CHECKOUT}",
        "a" * 32_768 + CHECKOUT,
    ],
)
def test_an_annotation_is_held_to_the_pattern_of_the_schema_before_it_is_anybodys_name(annotation: str) -> None:
    with pytest.raises(Refused) as caught:
        resolve(KubernetesServiceAccount("checkout"), annotation, "orders")

    assert caught.value.reason is Reason.INVALID_SPEC
    assert len(caught.value.message) < 400


def test_a_username_of_63_bytes_is_the_longest() -> None:
    fits = "a" * (63 - len("@acme.com")) + "@acme.com"

    resolved = resolve(User(fits))
    with pytest.raises(Refused) as caught:
        resolve(User("a" + fits))

    assert len(resolved.username) == 63
    assert caught.value.reason is Reason.USERNAME_TOO_LONG
    assert "64 bytes" in caught.value.message


@pytest.mark.parametrize(
    ("email", "username"),
    [
        (LONGEST, "orders-checkout-web-shop-team1@acme-production-environment-01.i"),
        (
            "sa-vehicle-catalog-dlr-micrsvc@abcd-9fa483bbe1b9a050aa74e7x5.iam.gserviceaccount.com",
            "sa-vehicle-catalog-dlr-micrsvc@abcd-9fa483bbe1b9a050aa74e7x5.ia",
        ),
        (
            "checkout-of-the-orders-team@orders.production.acme-corporation.example.iam.gserviceaccount.com",
            "checkout-of-the-orders-team@orders.production.acme-corporation.",
        ),
    ],
)
def test_a_service_account_goes_by_the_first_63_bytes_of_its_name(email: str, username: str) -> None:
    resolved = resolve(ServiceAccount(email))

    assert resolved == ResolvedPrincipal(f"serviceAccount:{email}", username, UserType.SERVICE_ACCOUNT, email)
    assert len(username) == 63


def test_a_name_is_cut_between_characters() -> None:
    assert kept("ä" * 32) == "ä" * 31


@pytest.mark.parametrize(
    ("member", "cut"),
    [
        (f"serviceAccount:{LONGEST}", True),
        (f"serviceAccount:{CHECKOUT}", False),
        (f"user:{LONGEST}", False),
        ("", False),
    ],
)
def test_only_names_of_service_accounts_are_cut(member: str, cut: bool) -> None:
    assert is_cut(member) is cut


def test_the_limit_counts_bytes_and_not_characters() -> None:
    with pytest.raises(Refused) as caught:
        resolve(User("ü" * 30 + "@acme.com"))

    assert caught.value.reason is Reason.USERNAME_TOO_LONG


@pytest.mark.parametrize(
    "principal",
    [
        ServiceAccount("checkout@acme-prod.iam"),
        ServiceAccount("a@b@p.iam.gserviceaccount.com"),
        WorkforceIdentity("principalSet://iam.googleapis.com/locations/global/workforcePools/acme/*"),
        WorkforceIdentity("principal://iam.googleapis.com/locations/global/workforcePools/acme/subject/"),
        WorkforceIdentity(
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s"
        ),
    ],
)
def test_what_cannot_log_in_is_refused(principal: Principal) -> None:
    with pytest.raises(Failure) as caught:
        resolve(principal)

    assert caught.value.reason is Reason.INVALID_SPEC


def test_the_subject_of_a_workforce_pool_is_held_to_63_bytes() -> None:
    pool = "principal://iam.googleapis.com/locations/global/workforcePools/acme/subject/"

    assert len(resolve(WorkforceIdentity(pool + "a" * 63)).username) == 63
    with pytest.raises(Refused) as caught:
        resolve(WorkforceIdentity(pool + "a" * 64))

    assert caught.value.reason is Reason.USERNAME_TOO_LONG
