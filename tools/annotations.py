"""The reference of pod annotations, as Markdown, from the one table that the parser reads."""

from collections.abc import Iterator

from cloudsql_iam_operator.api.injection.annotation import OLDEST
from cloudsql_iam_operator.api.injection.table import SECTIONS


def reference() -> str:
    """Tables of all annotations by section, in lines that end with a newline."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    for heading, annotations in SECTIONS.items():
        yield from ("", f"### {heading}", "", "| Annotation | Values | Without it | Effect |", "|---|---|---|---|")
        for one in annotations:
            line = one.line
            newer = "" if one.since == OLDEST else f" Needs proxy {one.since[0]}.{one.since[1]}."
            namespaced = " May stand on the Namespace." if one.namespaced else ""
            values = line.values.replace("|", "\\|")
            yield f"| `{one}` | {values} | {line.otherwise} | {line.effect}{newer}{namespaced} |"
    yield ""
