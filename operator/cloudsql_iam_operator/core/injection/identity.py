"""Which CloudSQLIAMUser a pod logs in as, and whether the pod's Google account may."""

from collections.abc import Iterator

from cloudsql_iam_operator.api.injection.access import IMPERSONATE, INJECT, USER
from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION
from cloudsql_iam_operator.api.user import Group, KubernetesServiceAccount, ServiceAccount, User, WorkforceIdentity
from cloudsql_iam_operator.core.errors import Failure
from cloudsql_iam_operator.core.injection.facts import Facts, InstanceFact, Login, ServiceAccountFact, UserFact
from cloudsql_iam_operator.core.injection.outcome import Code, forbidden
from cloudsql_iam_operator.core.injection.pod import DEFAULT_SERVICE_ACCOUNT
from cloudsql_iam_operator.core.injection.settings import IdentityMode
from cloudsql_iam_operator.core.users.principals import IDENTIFIER_BYTES, is_cut, resolve

_MEMBER = "serviceAccount:"
_WHO = {Group: "a group", User: "a person", WorkforceIdentity: "a workforce identity"}


def account_of(name: str, facts: Facts) -> ServiceAccountFact:
    """The pod's ServiceAccount.

    Raises:
        Refusal: it does not exist.
    """
    if facts.service_account is None:
        raise forbidden(Code.IDENTITY, f"ServiceAccount {facts.namespace}/{name} does not exist: create it")
    return facts.service_account


def user_of(named: str, account: ServiceAccountFact, facts: Facts) -> UserFact:
    """The CloudSQLIAMUser that the pod names, or the only one for its ServiceAccount when `named` is "".

    Raises:
        Refusal: there is none, more than one, or it is being deleted.
    """
    user = _named(named, facts) if named else _only(account, facts)
    if user.deleting:
        raise forbidden(
            Code.USER,
            f"CloudSQLIAMUser {facts.namespace}/{user.name} is being deleted: create it again when it is gone, or name "
            f"another one in {INJECT}",
        )
    return user


def instance_of(user: UserFact) -> InstanceFact:
    """The instance that the user is on.

    Raises:
        Refusal: its CloudSQLInstance does not exist.
    """
    if user.instance is None:
        raise forbidden(
            Code.INSTANCE,
            f"CloudSQLIAMUser {user.name} is on CloudSQLInstance {user.instance_name}, which does not exist: "
            "ask the platform team to create it",
        )
    return user.instance


def username_of(user: UserFact, account: ServiceAccountFact) -> str:
    """Name to log in with: the status's, or what it will be.

    Raises:
        Refusal: it cannot be known.
    """
    if user.username:
        return user.username
    try:
        return resolve(user.principal, _email(user) or account.google_account).username
    except Failure as failure:
        raise forbidden(Code.USER, f"CloudSQLIAMUser {user.name}: {failure.message}") from failure


def identity_warnings(user: UserFact, account: ServiceAccountFact, mode: IdentityMode, namespace: str) -> Iterator[str]:
    """What differs between who the pod is and whom it logs in as, when the administrator lets that pass.

    Raises:
        Refusal: it differs, and the administrator does not.
    Source: Cloud SQL Auth Proxy: only the principal whose credentials the proxy has can log in through it.
    """
    yield from _told(_mismatch(user, account, namespace), mode)


def impersonation_warnings(user: UserFact, impersonated: str, mode: IdentityMode) -> Iterator[str]:
    """The same for a proxy that acts as another account than the pod's: that has to be the user's.

    Raises:
        Refusal: it is not, or that is not known yet, and the administrator does not let that pass.
    """
    email = _email(user)
    if email == impersonated:
        return
    problem = f"{IMPERSONATE} is {impersonated} but CloudSQLIAMUser {user.name} logs in as {email}: set it to that"
    if not email:
        problem = f"{IMPERSONATE} is {impersonated}, and whom CloudSQLIAMUser {user.name} logs in as is not known yet"
    yield from _told(problem, mode)


def _told(problem: str, mode: IdentityMode) -> Iterator[str]:
    if problem and mode is IdentityMode.ENFORCE:
        raise forbidden(Code.IDENTITY, problem)
    if problem:
        yield problem


def login_warnings(user: UserFact) -> Iterator[str]:
    """What keeps the user from logging in for now.

    Raises:
        Refusal: it will not pass by itself.
    """
    why = f": {user.problem}" if user.problem else ""
    match user.login:
        case Login.WORKS:
            return
        case Login.OBSERVED:
            yield f"CloudSQLIAMUser {user.name} is only observed, and not as declared: logins may fail{why}"
        case Login.WAITS:
            yield f"CloudSQLIAMUser {user.name} is not ready yet, logins fail until it is{why}"
        case Login.STALLED:
            raise forbidden(Code.LOGIN, f"CloudSQLIAMUser {user.name} cannot log in{why}")
        case Login.EXPIRED:
            raise forbidden(Code.LOGIN, f"CloudSQLIAMUser {user.name} has expired{why}")


def name_warnings(user: UserFact, account: ServiceAccountFact) -> Iterator[str]:
    """That the name to log in with is not the one that the account's e-mail leads to expect."""
    member = f"{_MEMBER}{_email(user) or account.google_account}"
    if is_cut(member):
        yield (
            f"PostgreSQL keeps {IDENTIFIER_BYTES} bytes of a name: {member.removeprefix(_MEMBER)} logs in as "
            f"{username_of(user, account)}, and PGUSER says so"
        )


def _named(name: str, facts: Facts) -> UserFact:
    user = next((user for user in facts.users if user.name == name), None)
    if user is None:
        raise forbidden(
            Code.USER,
            f"CloudSQLIAMUser {facts.namespace}/{name} does not exist: create it, or correct {INJECT} or {USER}",
        )
    return user


def _only(account: ServiceAccountFact, facts: Facts) -> UserFact:
    found = [user for user in facts.users if _is_for(user, account)]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(user.name for user in found)
        raise forbidden(
            Code.USER, f"several CloudSQLIAMUsers are for ServiceAccount {account.name} ({names}): name one in {INJECT}"
        )
    there = ", ".join(user.name for user in facts.users) or "none"
    raise forbidden(
        Code.USER,
        f"no CloudSQLIAMUser in namespace {facts.namespace} is for ServiceAccount {account.name} (there: {there}): "
        f"create one, or name one in {INJECT}",
    )


def _is_for(user: UserFact, account: ServiceAccountFact) -> bool:
    if isinstance(user.principal, KubernetesServiceAccount):
        return user.principal.name == account.name
    return bool(account.google_account) and _email(user) == account.google_account


def _email(user: UserFact) -> str:
    """E-mail of the Google service account that the user logs in as; "" when it is none, or not known yet."""
    if isinstance(user.principal, ServiceAccount):
        return user.principal.email.lower()
    return user.member.removeprefix(_MEMBER).lower() if user.member.startswith(_MEMBER) else ""


ELSEWHERE = "set serviceAccountName in the pod, to a ServiceAccount of its own that acts as that account"
"""What helps a pod that runs as `default`: whatever that acts as, every pod that names no ServiceAccount acts as."""


def _mismatch(user: UserFact, account: ServiceAccountFact, namespace: str) -> str:
    if not isinstance(user.principal, KubernetesServiceAccount | ServiceAccount):
        what = _WHO[type(user.principal)]
        return (
            f"CloudSQLIAMUser {user.name} is for {what}, and a pod logs in as a Google service account "
            f"({account.google_account or 'this one as none'}): name a CloudSQLIAMUser for "
            f"ServiceAccount {account.name} in {INJECT}"
        )
    email = _email(user)
    if not email:
        return _unresolved(user, account, namespace)
    if not account.google_account:
        return _unbound(user, account, email, namespace)
    if email == account.google_account:
        return ""
    default = account.name == DEFAULT_SERVICE_ACCOUNT
    mend = ELSEWHERE if default else f"{_command(account.name, namespace, email)} --overwrite"
    return (
        f"ServiceAccount {account.name} acts as {account.google_account} but CloudSQLIAMUser {user.name} logs in as "
        f"{email}: {mend}, or name a CloudSQLIAMUser for {account.google_account} in {INJECT}"
    )


def _unbound(user: UserFact, account: ServiceAccountFact, email: str, namespace: str) -> str:
    default = account.name == DEFAULT_SERVICE_ACCOUNT
    what = (
        f"ServiceAccount {account.name}{' (the pod names none)' if default else ''} acts as no Google account but "
        f"CloudSQLIAMUser {user.name} logs in as {email or 'one'}"
    )
    if default:
        return f"{what}: {ELSEWHERE}"
    return f"{what}: {_command(account.name, namespace, email or 'NAME@PROJECT.iam.gserviceaccount.com')}"


def _unresolved(user: UserFact, account: ServiceAccountFact, namespace: str) -> str:
    """For a user whose account is not known yet: fine when the pod runs as the very ServiceAccount that it names."""
    named = user.principal.name if isinstance(user.principal, KubernetesServiceAccount) else ""
    if named == account.name:
        return "" if account.google_account else _unbound(user, account, "", namespace)
    return (
        f"CloudSQLIAMUser {user.name} is for ServiceAccount {named} but the pod runs as {account.name}: "
        f"set serviceAccountName: {named}, or name another CloudSQLIAMUser in {INJECT}"
    )


def _command(account: str, namespace: str, email: str) -> str:
    """The command that makes the ServiceAccount act as the Google account; names and e-mails need no quotes."""
    return f"kubectl annotate serviceaccount {account} -n {namespace} {WORKLOAD_IDENTITY_ANNOTATION}={email}"
