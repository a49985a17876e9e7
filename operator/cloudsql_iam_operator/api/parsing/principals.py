"""The principal of a CloudSQLIAMUser: one of five forms, and what was likely meant by who took the wrong one."""

from cloudsql_iam_operator.api.parsing import texts
from cloudsql_iam_operator.api.parsing.fields import Fields, InvalidObject
from cloudsql_iam_operator.api.parsing.texts import ACCOUNT_SUFFIX, Text, shown
from cloudsql_iam_operator.api.user import (
    Group,
    KubernetesServiceAccount,
    Principal,
    ServiceAccount,
    User,
    WorkforceIdentity,
)

FORMS = ("kubernetesServiceAccount", "serviceAccount", "user", "group", "workforceIdentity")

WORKLOAD_POOL = "/workloadIdentityPools/"

NO_WORKLOAD = (
    "a principal of Workload Identity Federation can be no database user, for Cloud SQL has no user type for it: "
    "have it act as a Google service account, and name that as kubernetesServiceAccount or serviceAccount"
)
NO_SET = "a set of principals can be no database user: name one subject, or a Google group as group"

_LONGEST = 2048
"""Characters of a value that are looked at for what was meant."""

_MEMBER_KINDS = {"serviceaccount": "serviceAccount", "user": "user", "group": "group"}


def principal(fields: Fields) -> Principal:
    """The principal that `spec.principal` names.

    Raises:
        InvalidObject: it names none, several, or one in the wrong form; the message gives the right value.
    """
    given = [form for form in FORMS if fields.given(form)]
    if len(given) != 1:
        so_far = f"{' and '.join(given)} are given" if given else "none is given"
        raise fields.refusal(given[1] if given else FORMS[0], f"give exactly one of {', '.join(FORMS)}; {so_far}")
    match given[0]:
        case "kubernetesServiceAccount":
            return KubernetesServiceAccount(fields.nested("kubernetesServiceAccount", named))
        case "serviceAccount":
            return ServiceAccount(_address(fields, "serviceAccount", texts.SERVICE_ACCOUNT))
        case "user":
            return User(_address(fields, "user", texts.PERSON))
        case "group":
            return Group(_address(fields, "group", texts.GROUP_ADDRESS))
        case _:
            return WorkforceIdentity(_address(fields, "workforceIdentity", texts.WORKFORCE_IDENTITY))


def named(fields: Fields) -> str:
    """The name in a reference to a Kubernetes object."""
    return fields.text("name", texts.OBJECT_NAME)


def meant(form: str, value: str) -> str:
    """What helps who wrote the value in this form of principal; "" when nobody can tell."""
    if len(value) > _LONGEST:
        return ""
    kind, colon, address = value.partition(":")
    if value.startswith(("principal:", "principalSet:")):
        return _federated(form, value)
    if colon and kind.lower() in _MEMBER_KINDS:
        return f"write it as {_MEMBER_KINDS[kind.lower()]}: {shown(address)}"
    return _of_an_account(form, value) or _of_somebody(form, value)


def _federated(form: str, value: str) -> str:
    if WORKLOAD_POOL in value:
        return NO_WORKLOAD
    if value.startswith("principalSet:"):
        return NO_SET
    return "" if form == "workforceIdentity" else f"write it as workforceIdentity: {shown(value)}"


def _of_an_account(form: str, value: str) -> str:
    """For the e-mail of a service account, or what it is called in a database."""
    plain = value.lower()
    if plain.endswith(texts.USERNAME_ENDS) and "@" in plain:
        email = f"{plain}{ACCOUNT_SUFFIX}"
        return f"that is a service account's database user; write the whole e-mail, serviceAccount: {shown(email)}"
    if plain.endswith(ACCOUNT_SUFFIX) and form != "serviceAccount":
        return f"that is a service account; write it as serviceAccount: {shown(plain)}"
    return ""


def _of_somebody(form: str, value: str) -> str:
    if form == "serviceAccount" and "@" in value:
        return f"that is no service account; write it as user: {shown(value)}, or as group"
    if form == "group" and len(value.encode(errors="replace")) > texts.GROUP_ADDRESS.longest:
        return "put the group into one with a shorter name, and name that"
    return ""


def _address(fields: Fields, form: str, rule: Text) -> str:
    try:
        return fields.text(form, rule)
    except InvalidObject as refused:
        value = fields.raw(form)
        hint = meant(form, value) if isinstance(value, str) else ""
        raise InvalidObject(refused.field, f"is {shown(value)}: {hint}") if hint else refused from None
