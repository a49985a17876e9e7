"""Accounts that the operator itself works as. No object may have one, for its end would shut the operator out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudsql_iam_operator.api.instance import CloudSQLInstance
from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.claims import folded
from cloudsql_iam_operator.core.users.principals import kept, whole_name


@dataclass(frozen=True, slots=True)
class OwnAccounts:
    """What makes an account the operator's, by its folded e-mail address and by the folded name of its database user.

    Both count: PostgreSQL knows the name alone, and another account's may be cut to the same.
    """

    emails: Mapping[str, str] = field(default_factory=dict)
    usernames: Mapping[str, str] = field(default_factory=dict)

    def why(self, email: str, username: str) -> str:
        """What makes a principal the operator's own; "" when nothing does."""
        return self.emails.get(folded(email), "") or self.usernames.get(folded(username), "")

    def refuse(self, email: str, username: str) -> None:
        """Return when the principal is none of them.

        Raises:
            Refused: it is.
        """
        if why := self.why(email, username):
            raise Refused(
                Reason.OPERATORS_OWN_ACCOUNT,
                f"{email}, database user {username}, is {why}: no CloudSQLIAMUser may have it, for its end would shut "
                "the operator out; give the workload an account of its own, and the operator its rights by "
                "docs/permissions.md. Nothing that this account has is changed, also when this object is deleted",
            )


def own_accounts(
    instance: CloudSQLInstance, works_as: Iterable[str], others: Iterable[tuple[CloudSQLInstance, str]]
) -> OwnAccounts:
    """The operator's accounts where an instance is: `works_as` are those that it asks Google as there, as it seems.

    `others` are the CloudSQLInstances there are, each with the database user that the operator logs in as: what it
    works as for another instance of the project may be declared through this one.
    """
    emails: dict[str, str] = {}
    logins: dict[str, str] = {}
    for other, login in others:
        named = f"CloudSQLInstance {other.metadata.key.name}"
        if other.admin.impersonate and other.connection.project == instance.connection.project:
            emails.setdefault(folded(other.admin.impersonate), f"the account that the operator acts as for {named}")
        if login and other.connection == instance.connection:
            logins[folded(login)] = f"the database user that the operator logs in as by {named}"
    for email in works_as:
        emails.setdefault(folded(email), "the account that the operator runs as")
    return OwnAccounts(
        emails, logins | {kept(whole_name(f"serviceAccount:{email}")): emails[email] for email in emails}
    )
