"""Which names may go into a statement or a lookup. Quoting is the adapter's."""

import re

from cloudsql_iam_operator.core.errors import Refused
from cloudsql_iam_operator.core.reasons import Reason
from cloudsql_iam_operator.core.users.principals import IDENTIFIER_BYTES

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_SIGNATURE = re.compile(r"(?P<name>.+?)\((?P<arguments>[^()]*(?:\([^()]*\)[^()]*)*)\)", re.DOTALL)


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
    match = _SIGNATURE.fullmatch(text.strip())
    if match is None:
        raise Refused(
            Reason.INVALID_SPEC,
            f"the routine {text!r} has no signature: write its argument types too, as in refresh(integer, text)",
        )
    name, arguments = match["name"].strip(), match["arguments"]
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = name[1:-1].replace('""', '"')
    if _CONTROL.search(arguments):
        raise Refused(Reason.INVALID_SPEC, f"the routine {text!r} has control characters: take them out")
    return identifier(name, "routine"), arguments.strip()


def _encodable(name: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in name)
