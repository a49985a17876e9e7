"""The project's pages as their readers use them: blocks of code, and the commands in them, one by one."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PROSE = [page for page in PAGES if page.name != "CHANGELOG.md"]
"""Pages about the present; a changelog names what was."""

PROGRAMS = ("gcloud", "kubectl", "helm", "docker", "cloudsql-iam-operator", "PGPASSWORD", "GRANT")
"""How a line begins that is meant to be pasted; any other line of such a block is what a command prints."""

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:gcloud|kubectl|helm|cloudsql-iam-operator) [^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a page, continuation lines included, and what the page says that it prints."""

    text: str
    printed: tuple[str, ...] = ()


def code_blocks(text: str) -> Iterator[str]:
    """Indented blocks, with their continuation lines."""
    unfenced = _FENCED.sub("", text)
    for _, group in itertools.groupby(
        unfenced.splitlines(), lambda line: line.startswith("    ") and bool(line.strip())
    ):
        lines = list(group)
        if lines[0].startswith("    "):
            yield "\n".join(line[4:] for line in lines)


def manifests(text: str) -> list[str]:
    """Fenced blocks of YAML."""
    return [body for language, body in _FENCED.findall(text) if language == "yaml"]


def commands(text: str) -> list[Command]:
    """What a reader pastes, in the page's order of blocks."""
    shells = [body for language, body in _FENCED.findall(text) if language == "sh"]
    blocks = [*code_blocks(text), *shells]
    return [command for block in blocks if block.startswith(PROGRAMS) for command in _commands(block)]


def mentioned(text: str) -> list[str]:
    """Commands in the midst of a sentence."""
    return _INLINE.findall(_FENCED.sub("", text))


def _commands(block: str) -> Iterator[Command]:
    texts: list[str] = []
    printed: list[str] = []
    for line in block.splitlines():
        if texts and texts[-1].endswith("\\"):
            texts.append(line)
        elif line.startswith(PROGRAMS):
            if texts:
                yield Command("\n".join(texts), tuple(printed))
            texts, printed = [line], []
        else:
            printed.append(line)
    yield Command("\n".join(texts), tuple(printed))
