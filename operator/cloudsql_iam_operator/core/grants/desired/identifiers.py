"""Which names may go into a statement or a lookup. Quoting is the adapter's."""

import re

from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import IDENTIFIER_BYTES

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DEEPEST = 2
"""Parentheses within each other at the end of a signature: those around the arguments, and a type's own."""


_SEVERAL_WORDS = ("double", "character", "char", "national", "nchar", "timestamp", "time", "bit", "interval", "numeric")
"""First words of types that have more than one; with a length, as in numeric(10, 2), a comma may come between."""


def identifier(name: str, what: str) -> str:
    """The name, unchanged.

    Raises:
        Refused: PostgreSQL or its client would cut or misread it: empty, longer than 63 bytes, or with control
            characters (a NUL ends a name early, which names another object).
    """
    if not name:
        raise Refused(Reason.INVALID_SPEC, f"the name of a {what} is empty")
    if _CONTROL.search(name):
        raise Refused(Reason.INVALID_SPEC, f"the {what} {name!r} has control characters in its name: take them out")
    if len(name.encode(errors="surrogatepass")) > IDENTIFIER_BYTES or not _encodable(name):
        raise Refused(
            Reason.INVALID_SPEC,
            f"the {what} {name!r} cannot be named so: PostgreSQL keeps {IDENTIFIER_BYTES} bytes of UTF-8",
        )
    return name


def signature(text: str) -> tuple[str, str]:
    """Name and argument types of a routine written as `name(type, type)`; a name in double quotes is unquoted.

    Raises:
        Refused: there is no argument list, so that the routine would be ambiguous.
    """
    whole = text.strip()
    opening = _opening(whole)
    if opening <= 0:
        raise Refused(
            Reason.INVALID_SPEC,
            f"the routine {text!r} has no signature: write its argument types too, as in refresh(integer, text)",
        )
    name, arguments = whole[:opening].strip(), whole[opening + 1 : -1]
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = name[1:-1].replace('""', '"')
    if _CONTROL.search(arguments):
        raise Refused(Reason.INVALID_SPEC, f"the routine {text!r} has control characters: take them out")
    return identifier(name, "routine"), arguments.strip()


def signature_hint(text: str) -> str:
    """What may be wrong with a signature for which there is no routine; "" when nothing is seen."""
    name, _, arguments = text.partition("(")
    if "." in name and not name.strip().startswith('"'):
        return "leave its schema out, which the entry names"
    for argument in arguments.rstrip(") ").split(","):
        words = argument.strip().lower().split()
        if len(words) > 1 and not words[0].startswith(_SEVERAL_WORDS) and not words[0].startswith('"'):
            return "write only the types of its arguments, without names, modes or defaults"
    return ""


def _opening(text: str) -> int:
    """Where the parenthesis opens that the text's last character closes; -1 when there is none."""
    depth = 0
    for index in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[index], 0)
        if not 0 < depth <= _DEEPEST:
            return index if depth == 0 and text[index] == "(" else -1
    return -1


def _encodable(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
