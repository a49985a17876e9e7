"""Parsing a CloudSQLInstance. Limits and defaults are the CRD's."""

from collections.abc import Mapping
from typing import Any

from cloudsql_iam_operator.api.instance import (
    AccessRule,
    AccountProof,
    Admin,
    BindingMode,
    CloudSQLInstance,
    ConditionMode,
    ConnectionName,
    DatabaseAdmin,
    IAMSettings,
    IPType,
    LabelRequirement,
    NamespaceMatch,
    PrincipalMatch,
    SecretRef,
    Withdrawal,
)
from cloudsql_iam_operator.api.metadata import Metadata
from cloudsql_iam_operator.api.names import INSTANCE
from cloudsql_iam_operator.api.object_kinds import PRIVILEGES
from cloudsql_iam_operator.api.parsing import texts
from cloudsql_iam_operator.api.parsing.fields import Fields, read
from cloudsql_iam_operator.api.parsing.metadata import parse_metadata
from cloudsql_iam_operator.api.parsing.times import Bounds

DEFAULT_INTERVAL = 300
"""Seconds between checks when nothing changes."""

DEFAULT_IAM_ROLES = ("roles/cloudsql.instanceUser", "roles/cloudsql.client")
"""What a login needs: to be a database user, and to connect."""

_MOST_REMOVALS = 1500
"""As many as a policy has members at most."""

_INTERVAL = Bounds(10, 86_400, "from 10s to 24h")
_MAX_EXPIRY = Bounds(60, 31_622_400, "from 1m to 8784h")


def parse_instance(body: Mapping[str, Any]) -> CloudSQLInstance:
    """The CloudSQLInstance that an API object is, defaults filled in.

    Raises:
        InvalidObject: a field cannot be meant so.
    """
    metadata = parse_metadata(body, INSTANCE)
    return read(body.get("spec"), "spec", lambda spec: _instance(spec, metadata))


def parse_connection_name(text: str) -> ConnectionName:
    """The parts of a connection name that the CONNECTION_NAME rule allows."""
    project, region, instance = text.rsplit(":", 2)
    return ConnectionName(project, region, instance)


def _instance(spec: Fields, metadata: Metadata) -> CloudSQLInstance:
    return CloudSQLInstance(
        metadata=metadata,
        connection=parse_connection_name(spec.text("connectionName", texts.CONNECTION_NAME)),
        admin=spec.nested("admin", _admin),
        iam=spec.nested("iam", _iam),
        access=_access(spec),
        on_access_withdrawn=spec.choice("onAccessWithdrawn", Withdrawal, Withdrawal.REVOKE),
        interval=spec.seconds("interval", _INTERVAL) or DEFAULT_INTERVAL,
        suspend=spec.flag("suspend"),
    )


def _admin(admin: Fields) -> Admin:
    return Admin(
        impersonate=admin.text("impersonateServiceAccount", texts.SERVICE_ACCOUNT, ""),
        database=admin.nested("database", _database),
    )


def _database(database: Fields) -> DatabaseAdmin:
    return DatabaseAdmin(
        secret=database.optional_nested("secretRef", lambda ref: SecretRef(ref.text("name", texts.OBJECT_NAME))),
        ip_type=database.choice("ipType", IPType, IPType.PRIVATE),
        set_role=database.text("setRole", texts.OPTIONAL_IDENTIFIER, ""),
        owner_roles=database.texts("ownerRoles", texts.ROLE, 50),
        terminate_blockers=database.flag("terminateBlockers"),
    )


def _iam(iam: Fields) -> IAMSettings:
    return IAMSettings(
        mode=iam.choice("mode", BindingMode, BindingMode.MEMBER),
        roles=iam.some_texts("roles", texts.IAM_ROLE, 10) or DEFAULT_IAM_ROLES,
        condition=iam.choice("condition", ConditionMode, ConditionMode.PER_INSTANCE),
        max_removals=iam.count("maxRemovals", _MOST_REMOVALS),
    )


def _access(spec: Fields) -> tuple[AccessRule, ...]:
    rules = spec.each("access", _rule, 64)
    names = [rule.name for rule in rules]
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise spec.refusal("access", f"has two rules named {twice}; names are unique")
    return rules


def _rule(rule: Fields) -> AccessRule:
    name = rule.text("name", texts.LABEL_NAME)
    if not rule.given("namespaces"):
        raise rule.refusal("namespaces", "is missing; say which namespaces the rule is for")
    return AccessRule(
        name=name,
        namespaces=rule.nested("namespaces", _namespaces),
        principals=rule.nested("principals", _principals),
        databases=rule.texts("databases", texts.IDENTIFIER, 100),
        schemas=rule.texts("schemas", texts.IDENTIFIER, 100),
        database_roles=rule.texts("databaseRoles", texts.IDENTIFIER, 100),
        privileges=rule.words("privileges", PRIVILEGES, 20),
        allow_adoption=rule.flag("allowAdoption"),
        max_expiry=rule.seconds("maxExpiry", _MAX_EXPIRY),
        allow_public=rule.flag("allowPublic"),
        allow_grant_option=rule.flag("allowGrantOption"),
        allow_exclusive=rule.flag("allowExclusive"),
        allow_retain=rule.flag("allowRetain"),
        cascade=rule.flag("cascade"),
    )


def _principals(principals: Fields) -> PrincipalMatch:
    return PrincipalMatch(
        kubernetes_service_accounts=principals.choice("kubernetesServiceAccounts", AccountProof, AccountProof.NONE),
        service_accounts=principals.texts("serviceAccounts", texts.ADDRESS_PATTERN, 50),
        groups=principals.texts("groups", texts.ADDRESS_PATTERN, 50),
        users=principals.texts("users", texts.ADDRESS_PATTERN, 50),
        workforce_identities=principals.texts("workforceIdentities", texts.WORKFORCE_PATTERN, 50),
    )


def _namespaces(namespaces: Fields) -> NamespaceMatch:
    return NamespaceMatch(
        names=namespaces.texts("names", texts.LABEL_NAME, 100),
        selector=namespaces.optional_nested("selector", _selector),
    )


def _selector(selector: Fields) -> tuple[LabelRequirement, ...]:
    labels = selector.labels("matchLabels", (texts.LABEL_KEY, texts.LABEL_VALUE), 20)
    equal = tuple(LabelRequirement(key, "In", (value,)) for key, value in labels)
    return equal + selector.each("matchExpressions", _requirement, 20)


def _requirement(requirement: Fields) -> LabelRequirement:
    key = requirement.text("key", texts.LABEL_KEY)
    operator = requirement.text("operator", texts.LABEL_OPERATOR)
    values = requirement.texts("values", texts.LABEL_VALUE, 50)
    if (operator in ("In", "NotIn")) != bool(values):
        raise requirement.refusal("values", "is for In and NotIn, which need it; Exists and DoesNotExist have none")
    return LabelRequirement(key, operator, values)
