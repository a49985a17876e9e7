"""Namespaces that ask for access, and which of them a rule is for."""

from collections.abc import Mapping
from dataclasses import dataclass

from cloudsql_iam_operator.api.instance import LabelRequirement, NamespaceMatch


@dataclass(frozen=True, slots=True)
class Tenant:
    """A namespace that asks: its name and labels, and whether it exists; one that does not is admitted by no rule."""

    name: str
    labels: Mapping[str, str]
    exists: bool = True


def admits(match: NamespaceMatch, tenant: Tenant) -> bool:
    """Whether a rule is for this namespace."""
    if not tenant.exists or (not match.names and match.selector is None):
        return False
    named = not match.names or tenant.name in match.names
    return named and all(_labelled(requirement, tenant.labels) for requirement in match.selector or ())


def _labelled(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False
