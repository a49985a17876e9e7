"""IAM bindings as values: which role, for whom, under which condition; and which of them a login needs.

They are tuples, for a pass compares thousands of them.
"""

import functools
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from cloudsql_iam_operator.api.instance import ConditionMode, ConnectionName, IAMSettings

TITLE_PREFIX = "cloudsql-iam-operator/"
"""How the title of every condition that the operator writes begins."""

TITLE_LENGTH = 100
"""Characters that IAM allows in a condition's title."""

_MARK = 8
_AND = " && "
_NAME = "resource.name == '"
_TYPE = "resource.type == 'sqladmin.googleapis.com/Instance'"
_END = "request.time < timestamp('"

_CASE_SENSITIVE = ("principal:", "principalSet:", "deleted:principal:", "deleted:principalSet:")


class Condition(NamedTuple):
    """An IAM condition; absent texts are ""."""

    title: str
    description: str
    expression: str


class BindingRef(NamedTuple):
    """What a status remembers of a binding: its role, its member, and its condition's title ("" without one)."""

    member: str
    role: str
    title: str = ""


class Binding(NamedTuple):
    """One role for one member, under one condition or none."""

    role: str
    member: str
    condition: Condition | None = None

    @property
    def ref(self) -> BindingRef:
        """What a status remembers of it, with the member as it compares."""
        return BindingRef(folded(self.member), self.role, self.condition.title if self.condition else "")

    @property
    def grant(self) -> tuple[str, str]:
        """The role and the member, as it compares."""
        return self.role, folded(self.member)

    @property
    def identity(self) -> tuple[str, str, Condition | None]:
        """What IAM tells bindings apart by. Equal bindings have the same, those that differ mostly another."""
        return self.role, folded(self.member), self.condition

    @property
    def signed(self) -> bool:
        """Whether the condition's title says that this operator wrote it."""
        return self.condition is not None and self.condition.title.startswith(TITLE_PREFIX)

    @property
    def made_by_us(self) -> bool:
        """Whether it is as this operator writes bindings: without a condition, or with one of our title and shape.

        A condition of our title that says anything else is somebody else's, and stays.
        """
        return self.condition is None or (self.signed and _is_ours(self.condition))

    @property
    def order(self) -> tuple[str, str, str, str]:
        """A key to sort by: one member's bindings stand together."""
        condition = self.condition or Condition("", "", "")
        return folded(self.member), self.role, condition.title, condition.expression

    def __str__(self) -> str:
        return f"{self.role} for {self.member}" + (f" under {self.condition.title!r}" if self.condition else "")


@dataclass(frozen=True, slots=True)
class Scope:
    """What bindings are narrowed to: one instance, and until `expires_at` when that is given.

    `cluster` tells clusters that share an instance apart; "" when there is one.
    """

    connection: ConnectionName
    cluster: str = ""
    expires_at: datetime | None = None


def folded(member: str) -> str:
    """A member as it compares: IAM ignores the case of e-mails, not that of `principal:` and `principalSet:`."""
    if member.startswith(_CASE_SENSITIVE):
        return member
    small = member.lower()
    return member if member == small else small  # the same text, not another: it is kept in many places


def bindings_for(member: str, iam: IAMSettings, scope: Scope) -> frozenset[Binding]:
    """Bindings that let a member log in to the instance."""
    condition = condition_for(iam.condition, scope)
    return frozenset(Binding(role, member, condition) for role in iam.roles)


@functools.lru_cache(1024)
def condition_for(mode: ConditionMode, scope: Scope) -> Condition | None:
    """The condition that narrows a binding to the scope; None when there is nothing to narrow to.

    Kept, since thousands of users of an instance share it.

    Source: Cloud SQL, "Use IAM Conditions"; at most 12 logical operators, of which this uses 2.
    """
    place, instance = scope.connection, scope.connection.instance
    terms, notes = [], []
    if mode is ConditionMode.PER_INSTANCE:
        terms += [f"{_NAME}projects/{place.project}/instances/{instance}'", _TYPE]
        notes.append(f"only instance {instance}")
    if scope.expires_at is not None:
        terms.append(until(scope.expires_at))
        notes.append(f"until {_written(scope.expires_at)}")
    if not terms:
        return None
    return Condition(title_of(scope), ", ".join(notes), _AND.join(terms))


def until(end: datetime) -> str:
    """The term of a condition's expression that ends it, to the second before."""
    return f"{_END}{_written(end)}')"


def title_of(scope: Scope) -> str:
    """The title of the conditions that the operator writes for an instance."""
    return _title(scope.cluster, scope.connection.instance)


def cluster_of(title: str, connection: ConnectionName) -> str | None:
    """The cluster whose operator titles an instance's conditions so, "" for one with no name; None for other titles."""
    rest = title.removeprefix(TITLE_PREFIX)
    cluster = rest.partition("/")[0] if "/" in rest else ""
    return cluster if title == title_of(Scope(connection, cluster)) else None


def _is_ours(condition: Condition) -> bool:
    """Whether the expression is one of those that `condition_for` makes for the instance of the title."""
    terms = condition.expression.split(_AND)
    if terms[-1].startswith(_END) and terms[-1].endswith("')"):
        terms.pop()
        if not terms:
            return True
    if len(terms) != len((_NAME, _TYPE)) or terms[1] != _TYPE or not terms[0].startswith(f"{_NAME}projects/"):
        return False
    cluster, slash, _ = condition.title.removeprefix(TITLE_PREFIX).partition("/")
    instance = terms[0].removesuffix("'").rpartition("/instances/")[2]
    return condition.title == _title(cluster if slash else "", instance)


def _title(cluster: str, instance: str) -> str:
    """A title for each instance and cluster: one that would be too long ends in a mark of the whole."""
    title = TITLE_PREFIX + "/".join(part for part in (cluster, instance) if part)
    if len(title) <= TITLE_LENGTH:
        return title
    return f"{title[: TITLE_LENGTH - _MARK - 1]}-{hashlib.sha256(instance.encode()).hexdigest()[:_MARK]}"


def _written(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
