"""IAM bindings as values: which role, for whom, under which condition; and which of them a login needs."""

from dataclasses import dataclass
from datetime import UTC, datetime

from cloudsql_iam_operator.api.instance import ConditionMode, ConnectionName, IAMSettings

TITLE_PREFIX = "cloudsql-iam-operator/"
"""How the title of every condition that the operator writes begins."""

TITLE_LENGTH = 100
"""Characters that IAM allows in a condition's title."""

_CASE_SENSITIVE = ("principal:", "principalSet:", "deleted:principal:", "deleted:principalSet:")


@dataclass(frozen=True, slots=True, order=True)
class Condition:
    """An IAM condition; absent texts are ""."""

    title: str
    description: str
    expression: str


@dataclass(frozen=True, slots=True, order=True)
class BindingRef:
    """What a status remembers of a binding: its role, its member, and its condition's title ("" without one)."""

    member: str
    role: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """One role for one member, under one condition or none."""

    role: str
    member: str
    condition: Condition | None = None

    @property
    def ref(self) -> BindingRef:
        """What a status remembers of it, with the member as it compares."""
        return BindingRef(folded(self.member), self.role, self.condition.title if self.condition else "")

    @property
    def identity(self) -> tuple[str, str, Condition | None]:
        """What IAM tells bindings apart by."""
        return self.role, folded(self.member), self.condition

    @property
    def signed(self) -> bool:
        """Whether the condition's title says that this operator wrote it."""
        return self.condition is not None and self.condition.title.startswith(TITLE_PREFIX)

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
    return member if member.startswith(_CASE_SENSITIVE) else member.lower()


def bindings_for(member: str, iam: IAMSettings, scope: Scope) -> frozenset[Binding]:
    """Bindings that let a member log in to the instance."""
    condition = condition_for(iam.condition, scope)
    return frozenset(Binding(role, member, condition) for role in iam.roles)


def condition_for(mode: ConditionMode, scope: Scope) -> Condition | None:
    """The condition that narrows a binding to the scope; None when there is nothing to narrow to.

    Source: Cloud SQL, "Use IAM Conditions"; at most 12 logical operators, of which this uses 2.
    """
    place, instance = scope.connection, scope.connection.instance
    terms, notes = [], []
    if mode is ConditionMode.PER_INSTANCE:
        terms.append(f"resource.name == 'projects/{place.project}/instances/{instance}'")
        terms.append("resource.type == 'sqladmin.googleapis.com/Instance'")
        notes.append(f"only instance {instance}")
    if scope.expires_at is not None:
        end = scope.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        terms.append(f"request.time < timestamp('{end}')")
        notes.append(f"until {end}")
    if not terms:
        return None
    return Condition(title_of(scope), ", ".join(notes), " && ".join(terms))


def title_of(scope: Scope) -> str:
    """The title of the conditions that the operator writes for an instance."""
    parts = [part for part in (scope.cluster, scope.connection.instance) if part]
    return (TITLE_PREFIX + "/".join(parts))[:TITLE_LENGTH]


def cluster_of(title: str, connection: ConnectionName) -> str | None:
    """The cluster whose operator titles an instance's conditions so, "" for one with no name; None for other titles."""
    rest = title.removeprefix(TITLE_PREFIX)
    cluster = rest.partition("/")[0] if "/" in rest else ""
    return cluster if title == title_of(Scope(connection, cluster)) else None
