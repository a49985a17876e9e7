"""Who logs in where: the users that a pod names or that are found for it, checked against its Google account."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from cloudsql_iam_operator.api.injection.access import (
    CREDENTIALS_SECRET,
    IDENTITY_CHECK,
    IMPERSONATE,
    INSTANCES,
    WAIT,
    IdentityMode,
)
from cloudsql_iam_operator.api.injection.annotation import Wishes
from cloudsql_iam_operator.api.injection.wishes import users_named
from cloudsql_iam_operator.core.injection import identity
from cloudsql_iam_operator.core.injection.facts import Facts, ServiceAccountFact, UserFact
from cloudsql_iam_operator.core.injection.outcome import Code, Refusal
from cloudsql_iam_operator.core.injection.pod import Frame
from cloudsql_iam_operator.core.injection.settings import InjectionSettings
from cloudsql_iam_operator.core.injection.targets import Login, Target, address_warnings, database_warnings, targets
from cloudsql_iam_operator.core.injection.waiting import wait_of, waiting_warnings


@dataclass(frozen=True, slots=True)
class Access:
    """Who logs in where. `targets` are all instances, those of `logins` first, before their ports are chosen."""

    logins: tuple[Login, ...]
    targets: tuple[Target, ...]
    warnings: tuple[str, ...]

    def users(self, namespace: str) -> str:
        """The users as the pod's status names them."""
        return ",".join(f"{namespace}/{login.user.name}@{login.user.generation}" for login in self.logins)


def access(pod: Frame, wishes: Wishes, facts: Facts, settings: InjectionSettings) -> Access:
    """Who logs in where, and what to say about it.

    Raises:
        Refusal: somebody may not, or something is missing.
    """
    account = identity.account_of(pod.service_account, facts)
    acting = _acting(wishes, account, settings)
    mode = _mode(wishes, settings)
    users = tuple(_users(wishes, account, facts))
    warnings = [text for user in users for text in _warnings(user, acting, wishes, mode, facts.namespace)]
    wait = wait_of(wishes[WAIT], pod)
    warnings += [text for user in users for text in waiting_warnings(user, wait, pod)]
    logins = tuple(_login(user, acting) for user in users)
    if wishes[CREDENTIALS_SECRET] is not None:
        warnings.append(f"the identity behind {CREDENTIALS_SECRET} is not verified: Secrets are not read")
    found = targets(wishes, logins)
    warnings += [*address_warnings(found, logins), *database_warnings(wishes, logins), *_ignored(wishes, facts)]
    return Access(logins, found, tuple(warnings))


def _users(wishes: Wishes, account: ServiceAccountFact, facts: Facts) -> Iterator[UserFact]:
    """The users that are named; none where only instances are; else the one for the ServiceAccount."""
    named = users_named(wishes)
    if named or INSTANCES not in wishes:
        yield from (identity.user_of(name, account, facts) for name in named or ("",))


def _login(user: UserFact, account: ServiceAccountFact) -> Login:
    return Login(user, identity.instance_of(user), identity.username_of(user, account))


def _acting(wishes: Wishes, account: ServiceAccountFact, settings: InjectionSettings) -> ServiceAccountFact:
    """The ServiceAccount, with the Google account that the proxy acts as in the end."""
    if wishes[CREDENTIALS_SECRET] is not None and not settings.credentials_secrets:
        raise Refusal(Code.ANNOTATION, f"{CREDENTIALS_SECRET} is switched off by the administrator; take it off")
    return replace(account, google_account=wishes[IMPERSONATE]) if wishes[IMPERSONATE] else account


def _mode(wishes: Wishes, settings: InjectionSettings) -> IdentityMode:
    wish = wishes[IDENTITY_CHECK]
    if wish is IdentityMode.WARN and settings.identity is not wish and not settings.identity_by_pod:
        raise Refusal(Code.ANNOTATION, f"{IDENTITY_CHECK} may not be weakened by pods here; take it off")
    return wish or settings.identity


def _warnings(
    user: UserFact, account: ServiceAccountFact, wishes: Wishes, mode: IdentityMode, namespace: str
) -> Iterator[str]:
    if wishes[IMPERSONATE]:
        yield from identity.impersonation_warnings(user, wishes[IMPERSONATE], mode)
    elif wishes[CREDENTIALS_SECRET] is None:
        yield from identity.identity_warnings(user, account, mode, namespace)
    yield from identity.login_warnings(user)
    yield from identity.name_warnings(user, account)


def _ignored(wishes: Wishes, facts: Facts) -> Iterator[str]:
    """Annotations on the Namespace that do nothing there, or that cannot be read."""
    if wishes.ignored:
        names = ", ".join(wishes.ignored)
        yield f"{names} on the Namespace {facts.namespace} does nothing there: only defaults for the proxy's form may"
    for problem in wishes.unread:
        yield f"a default on the Namespace {facts.namespace} would refuse pods that do not say it themselves: {problem}"
