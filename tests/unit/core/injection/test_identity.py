"""Who a pod is and whom it logs in as. Numbers in the comments are those of the list of tricky cases."""

from dataclasses import replace

import pytest

from cloudsql_iam_operator.api.instance import IPType
from cloudsql_iam_operator.api.user import Group, KubernetesServiceAccount, ServiceAccount, User, WorkforceIdentity
from cloudsql_iam_operator.core.injection.facts import Login, ServiceAccountFact, UserFact
from cloudsql_iam_operator.core.injection.settings import IdentityMode
from support.podshapes import (
    ACCOUNT,
    CHECKOUT,
    ORDERS,
    PG,
    SETTINGS,
    denied,
    environment,
    injected,
    pod,
    proxy,
    users,
    warnings,
)

FRESH = replace(CHECKOUT, member="", username="", login=Login.WAITS)
UNBOUND = ServiceAccountFact("checkout", "")
BILLING = ServiceAccountFact("billing", "billing@acme-prod.iam.gserviceaccount.com")
LENIENT = replace(SETTINGS, identity=IdentityMode.WARN)
ANY = {"inject": "true"}
OTHER = "iam.cloudsql.dev/database is other, and CloudSQLIAMUser checkout is granted orders"


def test_a_pod_whose_account_is_the_users_logs_in_by_its_name() -> None:  # 42
    assert environment(injected(pod())) == PG
    assert warnings(pod()) == ()


def test_a_pod_that_acts_as_another_account_is_refused_with_both_named() -> None:  # 43
    assert denied(pod(), users(CHECKOUT, account=replace(ACCOUNT, google_account=BILLING.google_account))) == (
        "403 ServiceAccount checkout acts as billing@acme-prod.iam.gserviceaccount.com "
        "but CloudSQLIAMUser checkout logs in as checkout@acme-prod.iam.gserviceaccount.com: "
        "kubectl annotate serviceaccount checkout -n orders "
        "iam.gke.io/gcp-service-account=checkout@acme-prod.iam.gserviceaccount.com --overwrite, "
        "or name a CloudSQLIAMUser for billing@acme-prod.iam.gserviceaccount.com in iam.cloudsql.dev/inject"
    )


def test_a_service_account_that_acts_as_nobody_is_refused_with_the_command_that_helps() -> None:  # 44
    assert denied(pod(), users(CHECKOUT, account=UNBOUND)) == (
        "403 ServiceAccount checkout acts as no Google account but CloudSQLIAMUser checkout logs in as "
        "checkout@acme-prod.iam.gserviceaccount.com: kubectl annotate serviceaccount checkout -n orders "
        "iam.gke.io/gcp-service-account=checkout@acme-prod.iam.gserviceaccount.com"
    )


def test_a_pod_that_names_no_service_account_is_told_that_it_runs_as_default() -> None:  # 44
    text = denied(pod(serviceAccountName=None), users(CHECKOUT, account=ServiceAccountFact("default", "")))

    assert text.startswith("403 ServiceAccount default (the pod names none) acts as no Google account")
    assert "set serviceAccountName" in text
    assert "annotate" not in text


def test_the_administrator_may_let_an_identity_that_differs_pass_with_a_warning() -> None:  # 44
    (warning,) = warnings(pod(), users(CHECKOUT, account=UNBOUND), LENIENT)

    assert warning.startswith("ServiceAccount checkout acts as no Google account")


def test_a_service_account_that_does_not_exist_is_refused() -> None:
    assert (
        denied(pod(), users(CHECKOUT, account=None)) == "403 ServiceAccount orders/checkout does not exist: create it"
    )


def test_e_mails_are_compared_without_regard_to_case() -> None:  # 53
    shouted = replace(CHECKOUT, principal=ServiceAccount("Checkout@ACME-prod.iam.gserviceaccount.com"), username="")

    assert environment(injected(pod(), users(shouted)))["PGUSER"] == "checkout@acme-prod.iam"


def test_accounts_of_domain_scoped_projects_are_understood() -> None:  # 53
    email = "sa@acme.example.com.iam.gserviceaccount.com"
    user = replace(FRESH, instance=replace(ORDERS, connection="example.com:acme:eu:orders"))

    body = injected(pod(), users(user, account=ServiceAccountFact("checkout", email)))

    assert environment(body)["PGUSER"] == "sa@acme.example.com.iam"
    assert proxy(body)["args"][-1] == "example.com:acme:eu:orders"


def test_a_user_that_does_not_exist_is_refused() -> None:  # 48
    assert denied(pod(annotations={"inject": "chekout"})) == (
        "403 CloudSQLIAMUser orders/chekout does not exist: create it, "
        "or correct iam.cloudsql.dev/inject or iam.cloudsql.dev/user"
    )


def test_a_user_that_is_not_ready_yet_is_injected_with_a_warning() -> None:  # 49
    assert warnings(pod(), users(replace(FRESH, problem="InstanceStopped: start it"))) == (
        "CloudSQLIAMUser checkout is not ready yet, logins fail until it is: InstanceStopped: start it",
    )
    assert environment(injected(pod(), users(FRESH))) == PG


def test_a_user_that_only_an_edit_helps_is_refused() -> None:
    stuck = replace(CHECKOUT, login=Login.STALLED, problem="IAMAuthenticationDisabled: set the flag")

    assert denied(pod(), users(stuck)) == (
        "403 CloudSQLIAMUser checkout cannot log in: IAMAuthenticationDisabled: set the flag"
    )


def test_a_user_that_has_expired_is_refused() -> None:
    assert denied(pod(), users(replace(CHECKOUT, login=Login.EXPIRED))) == ("403 CloudSQLIAMUser checkout has expired")


def test_a_user_that_is_being_deleted_is_refused() -> None:  # 50
    assert denied(pod(), users(replace(CHECKOUT, deleting=True))) == (
        "403 CloudSQLIAMUser orders/checkout is being deleted: create it again when it is gone, or name another one in "
        "iam.cloudsql.dev/inject"
    )


def test_a_user_whose_instance_is_missing_is_refused() -> None:
    assert denied(pod(), users(replace(CHECKOUT, instance=None))) == (
        "403 CloudSQLIAMUser checkout is on CloudSQLInstance orders-prod, which does not exist: "
        "ask the platform team to create it"
    )


def test_true_finds_the_only_user_for_the_service_account() -> None:
    other = replace(CHECKOUT, name="billing", principal=KubernetesServiceAccount("billing"), member="", username="b")

    assert environment(injected(pod(annotations=ANY), users(other, CHECKOUT))) == PG


def test_true_finds_the_only_user_for_the_google_account() -> None:
    by_email = replace(FRESH, principal=ServiceAccount(ACCOUNT.google_account))

    assert environment(injected(pod(annotations=ANY), users(by_email))) == PG


def test_true_without_a_user_is_refused_with_those_that_are_there() -> None:  # 51
    assert denied(pod(annotations=ANY), users(replace(CHECKOUT, principal=KubernetesServiceAccount("x")))) == (
        "403 no CloudSQLIAMUser in namespace orders is for ServiceAccount checkout (there: checkout): "
        "create one, or name one in iam.cloudsql.dev/inject"
    )


def test_true_with_two_users_is_refused_with_both() -> None:  # 51
    assert denied(pod(annotations=ANY), users(CHECKOUT, replace(CHECKOUT, name="second"))) == (
        "403 several CloudSQLIAMUsers are for ServiceAccount checkout (checkout, second): "
        "name one in iam.cloudsql.dev/inject"
    )


def test_true_and_a_named_user_pick_that_user() -> None:
    annotations = {"inject": "true", "user": "second"}

    body = injected(pod(annotations=annotations), users(CHECKOUT, replace(CHECKOUT, name="second", databases=("b",))))

    assert environment(body)["PGDATABASE"] == "b"


def test_a_user_that_is_not_resolved_is_for_the_service_account_it_names() -> None:
    assert denied(pod(serviceAccountName="billing"), users(FRESH, account=BILLING)) == (
        "403 CloudSQLIAMUser checkout is for ServiceAccount checkout but the pod runs as billing: "
        "set serviceAccountName: checkout, or name another CloudSQLIAMUser in iam.cloudsql.dev/inject"
    )


@pytest.mark.parametrize(
    ("principal", "what"),
    [
        (Group("team@acme.example"), "a group"),
        (User("ann@acme.example"), "a person"),
        (
            WorkforceIdentity("principal://iam.googleapis.com/locations/global/workforcePools/p/subject/ann"),
            "a workforce identity",
        ),
    ],
)
def test_a_pod_cannot_log_in_as_a_person_or_a_group(principal: Group | User | WorkforceIdentity, what: str) -> None:
    text = denied(pod(), users(replace(CHECKOUT, principal=principal, member="user:x@acme.example")))

    assert text.startswith(f"403 CloudSQLIAMUser checkout is for {what}, and a pod logs in as a Google service account")


LONGEST = "orders-checkout-web-shop-team1@acme-production-environment-01.iam.gserviceaccount.com"
CUT = "orders-checkout-web-shop-team1@acme-production-environment-01.i"
SETTLED = replace(CHECKOUT, member=f"serviceAccount:{LONGEST}", username=CUT)


@pytest.mark.parametrize("user", [replace(FRESH, login=Login.WORKS), SETTLED])
def test_a_name_longer_than_postgresql_keeps_is_cut_with_a_warning(user: UserFact) -> None:  # 55
    facts = users(user, account=ServiceAccountFact("checkout", LONGEST))

    assert environment(injected(pod(), facts))["PGUSER"] == CUT
    assert warnings(pod(), facts) == (
        f"PostgreSQL keeps 63 bytes of a name: {LONGEST} logs in as {CUT}, and PGUSER says so",
    )


def test_accounts_are_compared_by_whole_addresses_where_cut_names_are_equal() -> None:
    other = "orders-checkout-web-shop-team1@acme-production-environment-01.iot.example.iam.gserviceaccount.com"

    text = denied(pod(), users(SETTLED, account=ServiceAccountFact("checkout", other)))

    assert f"acts as {other} but CloudSQLIAMUser checkout logs in as {LONGEST}" in text


@pytest.mark.parametrize(
    ("databases", "annotations", "database", "warned"),
    [
        (("orders",), {}, "orders", ()),
        (("orders",), {"database": "other"}, "other", (OTHER,)),
        (
            (),
            {},
            None,
            (
                "PGDATABASE is not set, as CloudSQLIAMUser checkout is granted no database yet: "
                "set iam.cloudsql.dev/database",
            ),
        ),
        (
            ("a", "b"),
            {},
            None,
            (
                "PGDATABASE is not set, as CloudSQLIAMUser checkout is granted several databases (a, b): "
                "set iam.cloudsql.dev/database",
            ),
        ),
    ],
)
def test_the_database_is_the_annotations_or_the_only_one_granted(
    databases: tuple[str, ...], annotations: dict[str, str], database: str | None, warned: tuple[str, ...]
) -> None:
    facts = users(replace(CHECKOUT, databases=databases))

    assert environment(injected(pod(annotations=annotations), facts)).get("PGDATABASE") == database
    assert warnings(pod(annotations=annotations), facts) == warned


@pytest.mark.parametrize(
    ("ip_type", "flags"), [(IPType.PUBLIC, set()), (IPType.PRIVATE, {"--private-ip"}), (IPType.PSC, {"--psc"})]
)
def test_the_proxy_dials_the_address_that_the_instance_says(ip_type: IPType, flags: set[str]) -> None:
    user = replace(CHECKOUT, instance=replace(ORDERS, ip_type=ip_type))

    assert set(proxy(injected(pod(), users(user)))["args"]) & {"--private-ip", "--psc"} == flags
