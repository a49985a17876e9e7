"""Behaviour of Google that is not known for certain, each with a default and a way to have it otherwise."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from cloudsql_emulator.iam.condition_rules import RULES


@dataclass(slots=True)
class Switches:
    """May be changed while the emulator runs.

    `absent_user` is what users.get and users.delete answer for a user that does not exist: GUESS, not found anywhere.
    `other_type` is what users.insert does over a user of another type: GUESS.
    `cut_names` is about service accounts with longer names than PostgreSQL keeps, whose users get the first 63 bytes:
    "own" lets only the account in that the user was made for, "shared" all whose names begin so, "refuse" makes no such
    user. GUESS: reports of users tell of the cut, none of two accounts that share one.
    `wildcard_absent` is what `projects/-/serviceAccounts/EMAIL` answers for an account that does not exist: 403 is
    documented (IAM API v1, the parameter `name`), 404 is what callers with a permission were seen to get.
    `list_sql_roles` lists roles that can log in and were made by SQL, as built-in users: GUESS.
    `connect_permission` is what connectSettings takes: GUESS, clients are known to need .connect and .get in all.
    `iam_roles_delay` is in seconds, from setting cloudsql.iam_authentication to the IAM system roles.
    `permitted_domains` are those of users and groups that the organisation lets into policies; empty lets in all.
    `domain_refusal` is how others are refused: "details" as of late, with violations, "bare" as in older reports.
    `refused_conditions` are the names of the condition_rules.RULES that policies must keep; see there what is a GUESS.
    `echo_database_roles` puts databaseRoles into users.get and users.list: terraform says that they are not there.
    """

    absent_user: Literal["notFound", "invalid", "done"] = "notFound"
    other_type: Literal["refuse", "convert"] = "refuse"
    cut_names: Literal["own", "shared", "refuse"] = "own"
    wildcard_absent: Literal["forbidden", "notFound"] = "forbidden"
    list_sql_roles: bool = True
    echo_database_roles: bool = False
    connect_permission: str = "cloudsql.instances.get"
    normalise_policies: bool = False
    group_authentication: bool = True
    iam_roles_delay: float = 0.0
    permitted_domains: tuple[str, ...] = ()
    domain_refusal: Literal["details", "bare"] = "details"
    refused_conditions: tuple[str, ...] = tuple(RULES)

    def turn(self, name: str, value: Any) -> None:
        """Set one of them.

        Raises:
            KeyError: there is no such switch.
        """
        if name not in {each.name for each in fields(self)}:
            raise KeyError(name)
        setattr(self, name, value)
