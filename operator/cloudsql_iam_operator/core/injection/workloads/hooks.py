"""Hooks of Helm and Argo CD around a login: shapes that wait for ever, or lose their access at the next release."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

GUIDE = "docs/helm-hooks.md"


@dataclass(frozen=True, slots=True)
class Tool:
    """Who runs hooks: its annotations, its hooks before everything else and after the end, and what works.

    `way` and `kept` are how a workload finds its user, and how an object is kept between releases. `installs` are
    hooks that run once, at installation: what is deleted before them was left by a release of before.
    """

    name: str
    hook: str
    policy: str
    before: frozenset[str]
    after: frozenset[str]
    installs: frozenset[str]
    deletes_first: str
    keeps: str
    chart: str
    way: str
    kept: str


HELM = Tool(
    name="Helm",
    hook="helm.sh/hook",
    policy="helm.sh/hook-delete-policy",
    before=frozenset({"pre-install", "pre-upgrade", "pre-rollback"}),
    after=frozenset({"post-delete"}),
    installs=frozenset({"pre-install", "post-install"}),
    deletes_first="before-hook-creation",
    keeps="hook-failed",
    chart="chart",
    way="make account, user and grants hooks of a lower weight, with helm.sh/hook-delete-policy: hook-failed",
    kept="set helm.sh/hook-delete-policy: hook-failed",
)
ARGO_CD = Tool(
    name="Argo CD",
    hook="argocd.argoproj.io/hook",
    policy="argocd.argoproj.io/hook-delete-policy",
    before=frozenset({"PreSync"}),
    after=frozenset({"PostDelete"}),
    installs=frozenset(),
    deletes_first="BeforeHookCreation",
    keeps="HookFailed",
    chart="application",
    way="make it a Sync hook, and give account, user and grants an earlier argocd.argoproj.io/sync-wave",
    kept="take the hook off, and give it an earlier argocd.argoproj.io/sync-wave",
)
"""Without a policy both delete what is there before they make the hook anew.

Source: Helm, "Chart Hooks"; Argo CD, "Resource Hooks"
"""

TOOLS = (HELM, ARGO_CD)


def waits_for_its_chart(annotations: Mapping[str, Any]) -> str:
    """What is wrong with a workload whose user is not there yet, when it is a hook; "" when it is none that matters."""
    return next((text for tool in TOOLS if (text := _in_vain(tool, _words(annotations, tool.hook)))), "")


def _in_vain(tool: Tool, said: frozenset[str]) -> str:
    early, late = (" and ".join(sorted(said & when)) for when in (tool.before, tool.after))
    user = f"for a CloudSQLIAMUser of the same {tool.chart} it waits in vain"
    if early:
        return f"a {early} hook runs before the {tool.chart}'s other objects: {user}; {tool.way} ({GUIDE})"
    if late:
        return f"a {late} hook runs when the {tool.chart}'s objects are gone: {user} ({GUIDE})"
    return ""


def loses_access(kind: str, annotations: Mapping[str, Any]) -> Iterator[str]:
    """What a user or grant that is a hook loses at the next release."""
    for tool in TOOLS:
        events = _words(annotations, tool.hook)
        bad = _deleting(tool, events, _words(annotations, tool.policy)) if events else ""
        if bad:
            yield (
                f"{tool.name} deletes this {kind} ({tool.policy}: {bad}), and with it the access that it gives: "
                f"{tool.kept} ({GUIDE})"
            )


def _deleting(tool: Tool, events: frozenset[str], said: frozenset[str]) -> str:
    """The policies that delete an object which is there, or that comes; "" when none does."""
    bad = (said or {tool.deletes_first}) - {tool.keeps}
    if events <= tool.installs:
        bad = bad - {tool.deletes_first}
    return ", ".join(sorted(bad)) + (", the default" if bad and not said else "")


def _words(annotations: Mapping[str, Any], name: str) -> frozenset[str]:
    value = annotations.get(name)
    return (
        frozenset(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else frozenset()
    )
