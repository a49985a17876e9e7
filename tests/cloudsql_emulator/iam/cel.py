"""A parser for the part of CEL that IAM conditions use; what the expressions mean is in `conditions`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Union


class UnknownExpression(Exception):
    """An expression that is not understood."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, or a list of strings."""

    value: str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """A dotted name, such as resource.name."""

    path: str


@dataclass(frozen=True, slots=True)
class Not:
    """Negation."""

    inner: "Node"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two sides and an operator: && || == != < <= > >=."""

    operator: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or a method when it has a target."""

    target: Union["Node", None]
    name: str
    arguments: tuple["Node", ...]


Node = Literal | Attribute | Not | Binary | Call

_TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|<=|>=|[<>!().,\[\]]))"""
)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class _Token(NamedTuple):
    kind: str
    text: str


def parse(expression: str) -> Node:
    """The tree of an expression.

    Raises:
        UnknownExpression: it holds something that is not understood here.
    """
    parser = _Parser(list(_tokens(expression)))
    tree = parser.alternatives()
    if parser.next_text():
        raise UnknownExpression(f"did not expect {parser.next_text()!r} in: {expression}")
    return tree


def _tokens(expression: str) -> Iterator[_Token]:
    text, position = expression.rstrip(), 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise UnknownExpression(f"cannot read {text[position : position + 20]!r}")
        yield _Token(found.lastgroup, found[found.lastgroup])
        position = found.end()


class _Parser:
    """Recursive descent: alternatives, conjunctions, comparisons, negations, then names and calls."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def next_text(self) -> str:
        """The next token's text; "" at the end and for strings, which are no signs."""
        if self._position >= len(self._tokens):
            return ""
        token = self._tokens[self._position]
        return token.text if token.kind != "string" else repr(token.text)

    def alternatives(self) -> Node:
        """Sides of ||."""
        node = self._conjunctions()
        while self._takes("||"):
            node = Binary("||", node, self._conjunctions())
        return node

    def _conjunctions(self) -> Node:
        node = self._comparison()
        while self._takes("&&"):
            node = Binary("&&", node, self._comparison())
        return node

    def _comparison(self) -> Node:
        node = self._negation()
        for operator in _COMPARISONS:
            if self._takes(operator):
                return Binary(operator, node, self._negation())
        return node

    def _negation(self) -> Node:
        return Not(self._negation()) if self._takes("!") else self._methods(self._primary())

    def _primary(self) -> Node:
        if self._takes("("):
            node = self.alternatives()
            self._expect(")")
            return node
        if self._takes("["):
            return Literal(tuple(_text(item) for item in self._listed("]")))
        token = self._take()
        if token.kind == "string":
            return Literal(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
        if token.kind != "name":
            raise UnknownExpression(f"did not expect {token.text!r}")
        return Call(None, token.text, self._listed(")")) if self._takes("(") else Attribute(token.text)

    def _methods(self, node: Node) -> Node:
        while self._takes("."):
            name = self._take()
            if name.kind != "name":
                raise UnknownExpression(f"did not expect {name.text!r} after a dot")
            if self._takes("("):
                node = Call(node, name.text, self._listed(")"))
            elif isinstance(node, Attribute):
                node = Attribute(f"{node.path}.{name.text}")
            else:
                raise UnknownExpression(f"no attribute {name.text} here")
        return node

    def _listed(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._takes(closing):
            if items:
                self._expect(",")
            items.append(self.alternatives())
        return tuple(items)

    def _take(self) -> _Token:
        if self._position >= len(self._tokens):
            raise UnknownExpression("the expression ends too early")
        self._position += 1
        return self._tokens[self._position - 1]

    def _takes(self, sign: str) -> bool:
        taken = self.next_text() == sign
        self._position += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise UnknownExpression(f"expected {sign!r} and found {self.next_text()!r}")


def _text(node: Node) -> str:
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value
    raise UnknownExpression("lists of anything but strings")
