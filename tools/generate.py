"""Writes what is generated: the chart's CRDs, the picture of rooms, the tables of annotations. --check compares."""

import argparse
import sys
from pathlib import Path

from annotations import reference
from rooms import chart

ROOT = Path(__file__).resolve().parent.parent
KEEP = "    helm.sh/resource-policy: keep"


def generated() -> dict[Path, str]:
    """What each generated file should hold."""
    templates = ROOT / "charts/cloudsql-iam-operator/templates"
    crds = {templates / f"crd-{path.stem}.yaml": _template(path) for path in sorted((ROOT / "crds").glob("*.yaml"))}
    page, annotations = ROOT / "docs/architecture.md", ROOT / "docs/annotations.md"
    return {**crds, page: _with_rooms(page.read_text()), annotations: _with_annotations(annotations.read_text())}


def _with_rooms(page: str) -> str:
    """The page with the picture of rooms between its two marks."""
    return _between(page, "rooms", f"```mermaid\n{chart(ROOT / 'operator')}```\n")


def _with_annotations(page: str) -> str:
    """The page with the tables of annotations between its two marks."""
    return _between(page, "annotations", reference())


def _between(page: str, what: str, text: str) -> str:
    marks = f"<!-- {what}: written by `make generate` -->", f"<!-- end of {what} -->"
    head, begin, rest = page.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    if not (begin and end):
        raise SystemExit(f"the page of {what} needs the lines {marks[0]!r} and {marks[1]!r}")
    return f"{head}{begin}\n{text}{end}{tail}"


def _template(path: Path) -> str:
    text = path.read_text()
    if "{{" in text or text.count("\nmetadata:\n") != 1 or "\n  annotations:" in text.split("\nspec:", 1)[0]:
        raise SystemExit(f"{path}: needs one metadata block without annotations, and no template braces")
    head, tail = text.split("\nmetadata:\n", 1)
    body = f"{head}\nmetadata:\n  annotations:\n{KEEP}\n{tail}"
    source = path.relative_to(ROOT)
    note = f"{{{{- /* Generated from {source} by `make generate`. */ -}}}}"
    return f"{note}\n{{{{- if .Values.crds.enabled }}}}\n{body.rstrip()}\n{{{{- end }}}}\n"


def main() -> int:
    """Write or check; the exit status is 1 when a check finds something out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path, text in generated().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of date: run `make generate`", file=sys.stderr)
        else:
            path.write_text(generated()[path])
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
