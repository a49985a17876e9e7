"""Documents as text again: untouched ones as they were written, others by PyYAML, in the order of their members."""

import difflib
import json
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import yaml

from cloudsql_iam_operator.adapters.cluster.documents import Document
from cloudsql_iam_operator.api.parsing.texts import printed

_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "=", "<<"})
_OF_NUMBERS = frozenset("0123456789abcdefxo_+-.:tzin")
"""Characters of numbers and dates in any dialect of YAML, in lower case."""


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe one that quotes what another parser of YAML could take for a number or a word of its own."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Nothing is written as a reference: our own reader refuses those."""
        return True


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if _is_doubtful(text.lower()) else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _is_doubtful(text: str) -> bool:
    return text in _WORDS or (text[:2].strip("+-.")[:1].isdecimal() and _OF_NUMBERS.issuperset(text))


_Dumper.add_representer(str, _quoted)


def rendered(document: Document, body: Any) -> str:
    """The text of a document whose body is this now: as written, when it is the very one that was read."""
    if body is document.body:
        return document.text
    if _is_json(document):
        return f"{json.dumps(body, indent=2, ensure_ascii=False)}\n"
    return f"{_head(document.text)}{_dumped(body)}"


def joined(texts: Sequence[tuple[str, str]]) -> str:
    """Texts of documents, each with the name of its source, one after the other: a new source is a new document."""
    parts: list[str] = []
    last = ""
    for source, text in texts:
        if parts and source != last:
            parts.append("" if parts[-1].endswith("\n") else "\n")
            parts.append("" if text.startswith("---") else "---\n")
        parts.append(text)
        last = source
    return "".join(parts)


def difference(document: Document, body: Any) -> str:
    """What changed, as a unified diff of both written in the same way; "" for nothing."""
    if body is document.body:
        return ""
    before, after = (_dumped(each).splitlines(keepends=True) for each in (document.body, body))
    names = (f"{document.source} (before)", f"{document.source} (after)")
    return printed("".join(difflib.unified_diff(before, after, *names)))


def _dumped(body: Any) -> str:
    text: str = yaml.dump(
        body, Dumper=_Dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=4096
    )
    return text


def _is_json(document: Document) -> bool:
    return document.text.lstrip().startswith("{") and document.source.endswith(".json")


def _head(text: str) -> str:
    """The mark of a new document, and comments, before its first member."""
    lines = text.splitlines(keepends=True)
    kept = "".join(takewhile(_leads, lines))
    return kept if "---" in kept or not text.startswith("---") else f"---\n{kept}"


def _leads(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#") or line.rstrip() == "---" or line.startswith("--- #")
