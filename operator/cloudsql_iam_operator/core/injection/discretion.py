"""Words for a caller that nobody vouches for: they say where to look, and no account, user name or connection."""

from collections.abc import Iterator
from dataclasses import replace

from cloudsql_iam_operator.api.names import WORKLOAD_IDENTITY_ANNOTATION
from cloudsql_iam_operator.api.user import Group, ServiceAccount, User
from cloudsql_iam_operator.core.injection.facts import Facts, UserFact
from cloudsql_iam_operator.core.injection.outcome import Denied, Unchanged


def discreet(outcome: Denied | Unchanged, facts: Facts) -> Denied | Unchanged:
    """The outcome with what the caller may not know replaced by where those who may can read it."""
    if isinstance(outcome, Unchanged) and not outcome.warnings:
        return outcome
    # a longer value first: a user name can be the begin of an account's e-mail
    known = sorted(_known(facts), key=lambda pair: -len(pair[0]))

    def hidden(text: str) -> str:
        for value, place in known:
            text = text.replace(value, f"<{place}>")
        return text

    if isinstance(outcome, Denied):
        return replace(outcome, message=hidden(outcome.message))
    return replace(outcome, warnings=tuple(map(hidden, outcome.warnings)))


def _known(facts: Facts) -> Iterator[tuple[str, str]]:
    account = facts.service_account
    if account is not None and account.google_account:
        yield account.google_account, f"annotation {WORKLOAD_IDENTITY_ANNOTATION} of ServiceAccount {account.name}"
    for user in facts.users:
        yield from ((value, place) for value, place in _of(user) if value)


def _of(user: UserFact) -> Iterator[tuple[str, str]]:
    name = f"CloudSQLIAMUser {user.name}"
    yield user.problem, f"condition Ready of {name}"
    yield user.member.partition(":")[2], f"status.member of {name}"
    yield user.username, f"status.username of {name}"
    if isinstance(user.principal, ServiceAccount | User | Group):
        yield user.principal.email, f"spec.principal of {name}"
    if user.instance is not None:
        yield user.instance.connection, f"connectionName of CloudSQLInstance {user.instance.name}"
