"""IAM conditions: the part of CEL that conditions on Cloud SQL and on role grants use; grammar is in `cel`.

Source: "Attribute reference for IAM Conditions", "Set limits on granting roles"
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudsql_emulator.iam.cel import Attribute, Binary, Call, Literal, Node, Not, UnknownExpression, parse

MODIFIED_GRANTS = "iam.googleapis.com/modifiedGrantsByRole"

_ROOTS = frozenset({"api", "destination", "false", "null", "origin", "request", "resource", "true"})
_MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})

Value = str | bool | tuple[str, ...] | dt.datetime


@dataclass(frozen=True, slots=True)
class Resource:
    """What is accessed, as conditions see it; `project` is the id of the project whose policy decides."""

    project: str
    name: str
    type: str
    service: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything that a condition may ask for. `attributes` are those of `api.getAttribute`."""

    resource: Resource
    time: dt.datetime
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def holds(expression: str, circumstances: Circumstances) -> bool:
    """Whether a condition holds.

    Raises:
        UnknownExpression: it uses what is not understood here; Google may think otherwise.
    """
    value = _value(parse(expression), circumstances)
    if not isinstance(value, bool):
        raise UnknownExpression(f"no truth value: {expression}")
    return value


def logical_operators(expression: str) -> int:
    """How many of &&, || and ! an expression has, outside of its strings; Google allows 12.

    Raises:
        MalformedExpression: it is no CEL.
    """
    return _operators(parse(expression))


def unknown_roots(expression: str) -> tuple[str, ...]:
    """First parts of the names in an expression that are none of IAM's, sorted; those in macros are not looked at.

    Raises:
        MalformedExpression: it is no CEL.
    Source: "Attribute reference for IAM Conditions"
    """
    return tuple(sorted(_roots(parse(expression)) - _ROOTS))


def _roots(node: Node) -> set[str]:
    match node:
        case Attribute(path):
            return {path.partition(".")[0]}
        case Not(inner):
            return _roots(inner)
        case Binary(_, left, right):
            return _roots(left) | _roots(right)
        case Call(target, name, arguments):
            looked_at = () if name in _MACROS else arguments
            return {root for each in (target, *looked_at) if each is not None for root in _roots(each)}
        case Literal():
            return set()


def _operators(node: Node) -> int:
    match node:
        case Binary(operator, left, right):
            return (operator in {"&&", "||"}) + _operators(left) + _operators(right)
        case Not(inner):
            return 1 + _operators(inner)
        case Literal() | Attribute() | Call():
            return 0


def _value(node: Node, circumstances: Circumstances) -> Value:
    match node:
        case Literal(value):
            return value
        case Attribute(path):
            return _attribute(path, circumstances)
        case Not(inner):
            return not _truth(inner, circumstances)
        case Binary(operator, left, right):
            if operator in {"&&", "||"}:
                return _connected(operator, left, right, circumstances)
            return _compared(operator, _value(left, circumstances), _value(right, circumstances))
        case Call():
            return _call(node, circumstances)


def _call(call: Call, circumstances: Circumstances) -> Value:
    arguments = tuple(_value(argument, circumstances) for argument in call.arguments)
    if call.target is None or (call.name == "getAttribute" and call.target == Attribute("api")):
        return _called(call.name, arguments, circumstances)
    return _called_on(_value(call.target, circumstances), call.name, arguments)


def _truth(node: Node, circumstances: Circumstances) -> bool:
    value = _value(node, circumstances)
    if not isinstance(value, bool):
        raise UnknownExpression(f"no truth value: {node}")
    return value


def _connected(operator: str, left: Node, right: Node, circumstances: Circumstances) -> bool:
    # CEL: a side that decides by itself makes an error of the other side irrelevant.
    decisive = operator == "||"
    try:
        first = _truth(left, circumstances)
    except UnknownExpression:
        if _truth(right, circumstances) is decisive:
            return decisive
        raise
    return decisive if first is decisive else _truth(right, circumstances)


def _attribute(path: str, circumstances: Circumstances) -> Value:
    resource = circumstances.resource
    known: dict[str, Value] = {
        "resource.name": resource.name,
        "resource.type": resource.type,
        "resource.service": resource.service,
        "request.time": circumstances.time,
        "true": True,
        "false": False,
    }
    if path not in known:
        raise UnknownExpression(f"unknown attribute {path}")
    return known[path]


def _compared(operator: str, left: Value, right: Value) -> bool:
    if operator == "==":
        return left == right
    if operator == "!=":
        return left != right
    if not (isinstance(left, dt.datetime) and isinstance(right, dt.datetime)):
        raise UnknownExpression(f"{operator} is understood between times only")
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[operator]


def _called(name: str, arguments: tuple[Value, ...], circumstances: Circumstances) -> Value:
    match name, arguments:
        case "timestamp", (str(text),):
            return _timestamp(text)
        case "getAttribute", (str(attribute), tuple(default)):
            return circumstances.attributes.get(attribute, default)
        case _:
            raise UnknownExpression(f"unknown function {name}")


def _called_on(target: Value, name: str, arguments: tuple[Value, ...]) -> Value:
    match target, name, arguments:
        case str(text), "startsWith", (str(prefix),):
            return text.startswith(prefix)
        case str(text), "endsWith", (str(suffix),):
            return text.endswith(suffix)
        case tuple(values), "hasOnly", (tuple(allowed),):
            return set(values) <= set(allowed)
        case _:
            raise UnknownExpression(f"unknown method {name}")


def _timestamp(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise UnknownExpression(f"no timestamp: {text}") from error
    if moment.tzinfo is None:
        raise UnknownExpression(f"timestamp without a zone: {text}")
    return moment
