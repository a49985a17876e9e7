"""A database user that is there already when a CloudSQLIAMUser comes."""

from e2e import world
from e2e.tenant import Tenant

USER_TYPE = "CLOUD_IAM_SERVICE_ACCOUNT"


def test_a_user_made_by_somebody_else_is_refused_and_outlives_the_object(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("old-hand")
    cloud.create_user("old-hand@acme-prod.iam", USER_TYPE)
    tenant.instance()

    tenant.user("old-hand")

    message = tenant.stalled("csqlu", "old-hand", "ExternalResourceExists")
    assert "old-hand@acme-prod.iam" in message
    tenant.delete("csqlu", "old-hand")
    assert "old-hand@acme-prod.iam" in cloud.users()
    cloud.delete_user("old-hand@acme-prod.iam")


def test_a_user_may_be_adopted_and_is_kept_when_the_object_goes(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("adoptee")
    cloud.create_user("adoptee@acme-prod.iam", USER_TYPE)
    tenant.instance(tenant.rule(allowAdoption=True))

    tenant.user("adoptee", adoptionPolicy="IfExists")

    tenant.ready("csqlu", "adoptee")
    tenant.delete("csqlu", "adoptee")
    assert "adoptee@acme-prod.iam" in cloud.users()
    cloud.delete_user("adoptee@acme-prod.iam")


def test_an_abandoned_user_is_somebody_elses_until_it_is_adopted(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("left")
    tenant.instance(tenant.rule(allowRetain=True))
    tenant.user("left", deletionPolicy="Abandon")
    tenant.ready("csqlu", "left")
    tenant.delete("csqlu", "left")
    assert "left@acme-prod.iam" in cloud.users()

    tenant.user("left")
    tenant.stalled("csqlu", "left", "ExternalResourceExists")

    tenant.instance(tenant.rule(allowAdoption=True))
    tenant.user("left", adoptionPolicy="IfExists")
    tenant.ready("csqlu", "left")
    tenant.delete("csqlu", "left")
    assert "left@acme-prod.iam" in cloud.users()
    cloud.delete_user("left@acme-prod.iam")


def test_adoption_needs_the_rule_to_allow_it(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("unadopted")
    cloud.create_user("unadopted@acme-prod.iam", USER_TYPE)
    tenant.instance()

    tenant.user("unadopted", adoptionPolicy="IfExists")

    tenant.stalled("csqlu", "unadopted", "ExternalResourceExists")
    tenant.delete("csqlu", "unadopted")
    assert "unadopted@acme-prod.iam" in cloud.users()
    cloud.delete_user("unadopted@acme-prod.iam")


def test_a_principal_whose_user_is_somebody_elses_gets_no_right_to_log_in_as_it(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    tenant.account("former-admin")
    cloud.create_user("former-admin@acme-prod.iam", USER_TYPE)
    tenant.instance()
    before = cloud.policy_text()

    tenant.user("former-admin")

    tenant.stalled("csqlu", "former-admin", "ExternalResourceExists")
    assert cloud.policy_text() == before
    tenant.delete("csqlu", "former-admin")
    cloud.delete_user("former-admin@acme-prod.iam")


def test_the_operators_own_account_is_nobodys_whatever_the_rules_say(tenant: Tenant) -> None:
    cloud = tenant.stage.cloud
    before, users = cloud.policy_text(), cloud.users()
    tenant.instance(tenant.rule(principals={"serviceAccounts": ["*"]}, allowAdoption=True))

    tenant.user("usurper", {"serviceAccount": world.OPERATOR}, adoptionPolicy="IfExists")

    message = tenant.stalled("csqlu", "usurper", "OperatorsOwnAccount")
    assert f"{world.OPERATOR}, database user operator@acme-prod.iam, is the account that the operator runs" in message
    tenant.delete("csqlu", "usurper")
    assert (cloud.policy_text(), cloud.users()) == (before, users)
