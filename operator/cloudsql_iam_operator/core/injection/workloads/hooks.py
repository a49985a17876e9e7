"""Helm hooks around a login: the shapes that wait for ever, or that lose their access at the next upgrade."""

from collections.abc import Iterator, Mapping
from typing import Any

HOOK = "helm.sh/hook"
POLICY = "helm.sh/hook-delete-policy"
BEFORE = frozenset({"pre-install", "pre-upgrade", "pre-rollback"})
"""Hooks that run before the chart's own objects are there."""

GUIDE = "docs/helm-hooks.md"

_KEEPS = frozenset({"hook-failed"})
"""The only policy that leaves an object in place between two releases.

Source: Helm, "Chart Hooks": without an annotation the policy is before-hook-creation
"""


def waits_for_its_chart(annotations: Mapping[str, Any]) -> str:
    """What is wrong with a workload whose user is not there yet, when it is a hook; "" when it is none that matters."""
    early = sorted(_words(annotations, HOOK) & BEFORE)
    if not early:
        return ""
    return (
        f"a {' and '.join(early)} hook runs before the chart's other objects: for a CloudSQLIAMUser of the same chart "
        f"it waits in vain; make account, user and grants hooks of a lower weight, with {POLICY}: hook-failed ({GUIDE})"
    )


def loses_access(kind: str, annotations: Mapping[str, Any]) -> Iterator[str]:
    """What a user or grant that is a Helm hook loses at the next release."""
    if not _words(annotations, HOOK):
        return
    said = _words(annotations, POLICY)
    bad = ", ".join(sorted(said - _KEEPS)) if said else "before-hook-creation, the default"
    if bad:
        yield (
            f"Helm deletes this {kind} ({POLICY}: {bad}), and with it the access that it gives: "
            f"set {POLICY}: hook-failed ({GUIDE})"
        )


def _words(annotations: Mapping[str, Any], name: str) -> frozenset[str]:
    value = annotations.get(name)
    return (
        frozenset(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else frozenset()
    )
