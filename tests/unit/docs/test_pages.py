"""What the pages name exists: files, headings, fields, values, metrics, annotations, reasons, settings, commands."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudsql_iam_operator.api.names import FINALIZER, KINDS
from cloudsql_iam_operator.core.reasons import CHANGES, Reason
from cloudsql_iam_operator.core.status import ConditionType
from support.pages import PAGES, PROSE, ROOT, code_blocks

CHART = ROOT / "charts" / "cloudsql-iam-operator"
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
TEXTS = [
    *PAGES,
    *EXAMPLES,
    CHART / "values.yaml",
    CHART / "templates/NOTES.txt",
    *sorted((ROOT / "crds").glob("*.yaml")),
]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
QUOTED = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:spec|status)(?:\.[A-Za-z]+)+")
CASE = re.compile(r"[A-Z][A-Za-z]*[a-z][A-Za-z]*")
ANNOTATION = re.compile(r"\b(?:reconcile\.)?iam\.cloudsql\.dev/(?!v1alpha1)([A-Za-z-]*[A-Za-z])")


def of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=of)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target in LINK.findall(page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            wrong.append(target)
    assert wrong == []


def fields() -> set[str]:
    """Every field of every kind, by path without lists."""

    def paths(schema: dict[str, Any], at: str) -> Iterator[str]:
        yield at
        for name, child in schema.get("properties", {}).items():
            yield from paths(child, f"{at}.{name}")
        if "items" in schema:
            yield from paths(schema["items"], at)

    found: set[str] = set()
    for kind in KINDS:
        crd = yaml.safe_load((ROOT / "crds" / f"{kind.plural}.yaml").read_text())
        properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        found |= {path for part in ("spec", "status") for path in paths(properties[part], part)}
    return found


OTHERS_FIELDS = (
    "spec.containers",
    "spec.resources",
    "spec.initContainers",
    "spec.serviceAccountName",
    "spec.template",
    "spec.versions",
    "status.podIP",
    "status.py",
)
"""Fields of Kubernetes' own kinds that the pages speak of."""


@pytest.mark.parametrize("page", PROSE, ids=of)
def test_every_field_that_is_named_exists(page: Path) -> None:
    known = fields()
    named = {path for quoted in QUOTED.findall(page.read_text()) for path in PATH.findall(quoted)}

    assert {path for path in named if path not in known and not path.startswith(OTHERS_FIELDS)} == set()


def values(of_: Any, at: str = "") -> Iterator[str]:
    if at:
        yield at
    for name, child in (of_ or {}).items() if isinstance(of_, dict) else ():
        yield from values(child, f"{at}.{name}" if at else name)


def chart_values() -> set[str]:
    return set(values(yaml.safe_load((CHART / "values.yaml").read_text())))


@pytest.mark.parametrize("page", PROSE, ids=of)
def test_every_value_of_the_chart_that_is_named_exists(page: Path) -> None:
    tops = "|".join(yaml.safe_load((CHART / "values.yaml").read_text()))
    text = page.read_text()
    named = set(re.findall(rf"`((?:{tops})(?:\.[A-Za-z]+)+)(?=[`: ])", text))
    named |= {key.split(r".'")[0] for key in re.findall(rf"--set ((?:{tops})(?:\.[A-Za-z]+)+)", text)}

    assert {
        name for name in named if name not in chart_values() and not name.endswith((".annotations", ".yaml"))
    } == set()


@pytest.mark.parametrize("page", TEXTS, ids=of)
def test_every_annotation_that_is_named_exists(page: Path) -> None:
    listed = ANNOTATION.findall((ROOT / "docs" / "annotations.md").read_text())
    names = {*listed, FINALIZER.partition("/")[2]}

    assert set(ANNOTATION.findall(page.read_text())) - names == set()


@pytest.mark.parametrize("page", PROSE, ids=of)
def test_every_reason_that_a_sentence_names_exists(page: Path) -> None:
    """After "reason", "Event", "says" or "is" in front of a quoted word in CamelCase."""
    known = {str(reason) for reason in Reason} | set(CHANGES) | {str(each) for each in ConditionType}
    named = re.findall(r"(?:reasons?|Events?|Ready|says) `([A-Z][A-Za-z]+)`", page.read_text())

    assert {name for name in named if CASE.fullmatch(name)} - known == set()


@pytest.mark.parametrize("page", PROSE, ids=of)
def test_every_command_parses(page: Path) -> None:
    starts = ("gcloud", "kubectl", "helm", "make", "docker", "cloudsql-iam-operator", "PGPASSWORD")
    blocks = [block for block in code_blocks(page.read_text()) if block.startswith(starts)]

    for block in blocks:
        commands = "\n".join(line for line in block.splitlines() if line[:1].islower() or line[:1] in " -P")
        done = subprocess.run(["bash", "-n"], input=commands, capture_output=True, text=True, check=False, timeout=30)
        assert done.returncode == 0, (block, done.stderr)


@pytest.mark.parametrize("page", PROSE, ids=of)
def test_kubectl_is_asked_for_kinds_that_exist(page: Path) -> None:
    ours = {name for kind in KINDS for name in (kind.short, kind.plural, kind.name.lower())}
    others = {
        "namespace",
        "lease",
        "configmap",
        "crd",
        "serviceaccount",
        "deployment",
        "events",
        "secret",
        "pod",
        "pods",
    }
    verbs = r"kubectl (?:get|describe|delete|annotate|wait|create|logs|explain)"
    named = re.findall(rf"{verbs} (?:-n \S+ )?([a-z,]+)(?:[ /.]|$)", page.read_text(), re.MULTILINE)

    assert {each for kinds in named for each in kinds.split(",")} - ours - others == set()


def settings_read() -> set[str]:
    """Names of environment variables that the source reads."""
    found = set()
    for path in (ROOT / "operator").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"[A-Z][A-Z_]{4,}", node.value)
            ):
                found.add(node.value)
    return found


def test_every_variable_that_the_chart_sets_is_read() -> None:
    text = "".join(path.read_text() for path in (CHART / "templates").glob("*"))
    named = set(re.findall(r"\{name: ([A-Z][A-Z_]+),", text)) | set(re.findall(r'"([A-Z][A-Z_]+)" \.Values', text))

    built = {name for name in named if name.endswith("_ENDPOINT") or name.startswith("PROXY_")}
    assert named - settings_read() - built == set()


MUST_ANSWER = {
    "upgrade": ("operations.md", "Upgrade"),
    "high availability": ("operations.md", "High availability"),
    "sizing": ("operations.md", "Sizing"),
    "several clusters": ("operations.md", "Several clusters"),
    "several projects": ("operations.md", "Several projects"),
    "Private Service Connect": ("operations.md", "Private Service Connect"),
    "break glass": ("troubleshooting.md", "Break glass"),
    "groups": ("operations.md", "Groups"),
    "migration": ("operations.md", "Migrating to it"),
    "a failed login": ("troubleshooting.md", "A login fails"),
    "uninstall": ("operations.md", "Uninstalling"),
    "alerts": ("operations.md", "What to alert on"),
    "comparison": ("comparison.md", "Comparison"),
}


@pytest.mark.parametrize("question", sorted(MUST_ANSWER))
def test_each_question_of_a_newcomer_has_a_paragraph(question: str) -> None:
    page, heading = MUST_ANSWER[question]
    _, found, rest = (ROOT / "docs" / page).read_text().partition(f"# {heading}\n")

    assert found
    assert len(rest.partition("\n## ")[0].split()) >= 40
