"""Placeholders such as `${NAME:default}` of Spring and Quarkus and `${NAME:-default}` of shells, put in."""

from collections.abc import Mapping

OURS = frozenset({"PGHOST", "PGPORT", "PGUSER", "PGDATABASE"})
"""Variables that injection may set, so that a default is none."""

LONGEST = 4096
"""Characters of a text that are read, also when values are put in."""

MOST = 16
"""Placeholders of one text."""


def filled(text: str, env: Mapping[str, str | None]) -> str:
    """The text with the values of the container, or else the defaults; what cannot be seen, and ours, stays `$NAME`.

    Source: Spring Framework, PropertyPlaceholderHelper; POSIX, "Parameter Expansion"
    """
    for _ in range(MOST):
        begin = text.rfind("${")
        end = text.find("}", begin)
        if begin < 0 or end < 0 or len(text) > LONGEST:
            break
        text = f"{text[:begin]}{_value(text[begin + 2 : end], env)}{text[end + 1 :]}"
    return text


def _value(inside: str, env: Mapping[str, str | None]) -> str:
    name, colon, default = inside.partition(":")
    variable = name if name in env else name.upper().replace(".", "_").replace("-", "_")
    if variable in OURS or (variable in env and env[variable] is None):
        return f"${variable}"
    value = env.get(variable)
    return value or (default.removeprefix("-") if colon else f"${variable}")
