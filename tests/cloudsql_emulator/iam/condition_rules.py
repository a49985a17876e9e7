"""Which conditions Google refuses in a policy, by names that can be switched off; other rules are in `policy_rules`.

Source: IAM Conditions overview (basic roles, 12 logical operators), google.type.Expr, LintPolicy (limits of lengths).
That these are refused is documented; all words are GUESSES but those about basic roles, which are a report's.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from cloudsql_emulator.iam.cel import MalformedExpression
from cloudsql_emulator.iam.conditions import logical_operators, unknown_roots

LONGEST_TITLE = 100
LONGEST_DESCRIPTION = 256
LONGEST_EXPRESSION = 12_000
"""GUESS: that there is an end is certain, where it is is not."""

MOST_OPERATORS = 12
BASIC_ROLES = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
_INVALID = "Request contains an invalid argument."

Condition = Mapping[str, Any]
Rule = Callable[[str, Condition], str | None]


def _basic_role(role: str, _: Condition) -> str | None:
    return "Conditions can't be set on primitive roles." if role in BASIC_ROLES else None


def _no_title(_: str, condition: Condition) -> str | None:
    return None if condition.get("title") else _INVALID


def _long_title(_: str, condition: Condition) -> str | None:
    return _INVALID if len(str(condition.get("title", ""))) > LONGEST_TITLE else None


def _long_description(_: str, condition: Condition) -> str | None:
    return _INVALID if len(str(condition.get("description", ""))) > LONGEST_DESCRIPTION else None


def _bad_expression(_: str, condition: Condition) -> str | None:
    expression = str(condition.get("expression", ""))
    if len(expression) > LONGEST_EXPRESSION:
        return _INVALID
    try:
        unknown = unknown_roots(expression)
    except MalformedExpression as error:
        return f"Condition expression compilation error: {error}"
    return f"Condition expression compilation error: undeclared reference to '{unknown[0]}'" if unknown else None


def _operators(_: str, condition: Condition) -> str | None:
    try:
        count = logical_operators(str(condition.get("expression", "")))
    except MalformedExpression:
        return None
    return f"The condition has more than {MOST_OPERATORS} logical operators." if count > MOST_OPERATORS else None


RULES: Final[Mapping[str, Rule]] = {
    "basic role": _basic_role,
    "no title": _no_title,
    "long title": _long_title,
    "long description": _long_description,
    "expression": _bad_expression,
    "operators": _operators,
}


def refusal(role: str, condition: Condition, rules: tuple[str, ...]) -> str | None:
    """Why a conditional binding is refused by one of some rules, in Google's words; None when it is not."""
    return next((told for name in rules if (told := RULES[name](role, condition))), None)
