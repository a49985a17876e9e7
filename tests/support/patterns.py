"""Every regular expression of the package, found in its source, with the reason why it is linear."""

import ast
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "operator" / "cloudsql_iam_operator"

ONE_CLASS = "one class, repeated"
WORDS = "fixed words"
FIXED = "counted parts of fixed length"
APART = "each repetition ends at a character that it does not hold itself"
BACK = "one repetition, which gives back only to find a fixed end"

LINEAR: dict[str, dict[str, str]] = {
    "api/parsing/texts.py": {
        "OBJECT_NAME": BACK,
        "LABEL_NAME": BACK,
        "LABEL_KEY": ONE_CLASS,
        "LABEL_OPERATOR": WORDS,
        "LABEL_VALUE": ONE_CLASS,
        "CONNECTION_NAME": APART,
        "IDENTIFIER": ONE_CLASS,
        "OPTIONAL_IDENTIFIER": ONE_CLASS,
        "OBJECT_OF_DATABASE": ONE_CLASS,
        "GLOB_OF_NAMES": ONE_CLASS,
        "LARGE_OBJECT": FIXED,
        "IAM_ROLE": APART,
        "ADDRESS_PATTERN": ONE_CLASS,
        "WORKFORCE_IDENTITY": APART,
        "WORKFORCE_PATTERN": APART,
        "_ACCOUNT": BACK,
        "_ADDRESS": "one look for a fixed end, then " + APART,
    },
    "api/parsing/times.py": {"_DURATION": APART, "_INSTANT": FIXED},
    "api/injection/quantities.py": {"_QUANTITY": FIXED},
    "api/injection/values.py": {
        "_NUMBER": FIXED,
        "_KEY": FIXED,
        "_DIRECTORY": FIXED,
        "PLAIN": ONE_CLASS,
        "VARIABLE_PREFIX": ONE_CLASS,
    },
    "api/injection/instances.py": {"DNS_NAME": "counted parts, each of bounded length, which end at a dot"},
    "api/parsing/images.py": {"_HOST": BACK, "_STEP": APART, "_TAG": FIXED, "_DIGEST": FIXED},
    "core/grants/desired/identifiers.py": {
        "_CONTROL": "one character",
    },
    "core/injection/sidecar/image.py": {"_VERSION": FIXED},
    "core/injection/manifest.py": {"_TOKEN_VOLUME": FIXED},
    "adapters/postgres/connector_failures.py": {"_WAY": "matched at the begin of one line only"},
    "core/injection/neighbours/variables.py": {"_REFERENCE": APART},
    "core/injection/neighbours/shell.py": {
        "_PIECE": "each way begins with a character of its own, and its end may be missing",
        "_LOOKED_UP": APART,
        "_REFERENCE": APART,
    },
    "adapters/postgres/startup.py": {"_UNKNOWN": "fixed words, then one class of bounded length up to a quote"},
    "adapters/google/sqladmin_errors.py": {
        "_IAM_ROLE": APART,
        "_BUSY": WORDS,
        "_TEXTS": "fixed words, and one line of at most LONGEST_MESSAGE",
    },
    "adapters/google/resource_manager.py": {"_FULL": WORDS, "_CULPRITS": APART, "_MEANINGS": APART},
    "adapters/google/service_accounts.py": {"_POOLS": APART},
    "adapters/google/metadata.py": {"_PROJECT": FIXED},
    "core/excerpts.py": {
        "_IDS": FIXED,
        "_SECRETS": "fixed words, then one class, repeated",
        "_TIMES": FIXED,
        "_WORDS": ONE_CLASS,
    },
}
"""Why each is linear in its text, by module and by the name that it is part of."""

BOUNDED = {"adapters/postgres/connector_failures.py": 4096, "adapters/google/sqladmin_errors.py": 4096}
"""Longest text, in characters, that those of a module meet, where that is what keeps them cheap."""

USES = ("match", "fullmatch", "search", "findall", "finditer", "split", "sub")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular expression: the module and name it is part of, and what runs it.

    `uses` are methods that the module calls. `longest` is the longest text it meets; None: any.
    """

    place: str
    pattern: re.Pattern[str]
    uses: tuple[str, ...]
    longest: int | None


def used() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call of the module `re`: in which module, as part of which name ("" in a function), and the call."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = str(path.relative_to(PACKAGE))
        for node in ast.parse(path.read_text()).body:
            name = ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else ""
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("re."):
                    yield module, name, call


def imports_of_names() -> list[str]:
    """Modules that import names out of `re`, or `re` under another name: their calls could not be found."""
    return [
        str(path.relative_to(PACKAGE))
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and node.module == "re")
        or (isinstance(node, ast.Import) and any(each.name == "re" and each.asname for each in node.names))
    ]


def found() -> Iterator[Found]:
    """The regular expressions themselves."""
    for module, name, call in used():
        namespace = vars(importlib.import_module(f"cloudsql_iam_operator.{module[:-3].replace('/', '.')}"))
        pattern = eval(compile(ast.Expression(call), module, "eval"), namespace)
        source = (PACKAGE / module).read_text()
        uses = tuple(use for use in USES if f".{use}(" in source)
        yield Found(f"{module}: {name}", pattern, uses, BOUNDED.get(module))
