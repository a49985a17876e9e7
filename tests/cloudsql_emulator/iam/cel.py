"""A parser for CEL as IAM conditions are written in it; what the expressions mean is in `conditions`.

What has no meaning there is parsed all the same, as calls under CEL's own names for operators, such as `_in_`: an
expression that cannot be parsed is one that Google refuses.
Source: Common Expression Language, language definition (grammar)
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Union


class UnknownExpression(Exception):
    """An expression that is not understood."""


class MalformedExpression(UnknownExpression):
    """An expression that is no CEL."""


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
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<number>\d+(?:\.\d+)?u?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%?:<>!().,\[\]]))"""
)
_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
_SUMS = ("+", "-")
_PRODUCTS = ("*", "/", "%")


class _Token(NamedTuple):
    kind: str
    text: str


def parse(expression: str) -> Node:
    """The tree of an expression.

    Raises:
        MalformedExpression: it is no CEL, or uses map literals, which are not read here.
    """
    parser = _Parser(list(_tokens(expression)))
    tree = parser.choice()
    if parser.next_text():
        raise MalformedExpression(f"did not expect {parser.next_text()!r} in: {expression}")
    return tree


def _tokens(expression: str) -> Iterator[_Token]:
    text, position = expression.rstrip(), 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise MalformedExpression(f"cannot read {text[position : position + 20]!r}")
        yield _Token(found.lastgroup, found[found.lastgroup])
        position = found.end()


class _Parser:
    """Recursive descent, from choices by way of && and ||, comparisons and sums to names and calls."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._position = 0

    def next_text(self) -> str:
        """The next token's text; "" at the end and for strings, which are no signs."""
        if self._position >= len(self._tokens):
            return ""
        token = self._tokens[self._position]
        return token.text if token.kind != "string" else repr(token.text)

    def choice(self) -> Node:
        """A whole expression: one of two by a third, or the third alone."""
        node = self._alternatives()
        if not self._takes("?"):
            return node
        first = self._alternatives()
        self._expect(":")
        return Call(None, "_?_:_", (node, first, self.choice()))

    def _alternatives(self) -> Node:
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
        node = self._sum()
        for operator in _COMPARISONS:
            if self._takes(operator):
                return Binary(operator, node, self._sum())
        return Call(None, "_in_", (node, self._sum())) if self._takes("in") else node

    def _sum(self) -> Node:
        return self._chained(_SUMS, lambda: self._chained(_PRODUCTS, self._negation))

    def _chained(self, operators: tuple[str, ...], side: Callable[[], Node]) -> Node:
        node = side()
        while (operator := self.next_text()) in operators:
            self._take()
            node = Call(None, f"_{operator}_", (node, side()))
        return node

    def _negation(self) -> Node:
        if self._takes("-"):
            return Call(None, "-_", (self._negation(),))
        return Not(self._negation()) if self._takes("!") else self._methods(self._primary())

    def _primary(self) -> Node:
        if self._takes("("):
            node = self.choice()
            self._expect(")")
            return node
        if self._takes("["):
            return _list(self._listed("]"))
        token = self._take()
        if token.kind == "string":
            return Literal(re.sub(r"\\(.)", r"\1", token.text[1:-1]))
        if token.kind == "number":
            return Call(None, "number", (Literal(token.text),))
        if token.kind != "name" or token.text == "in":
            raise MalformedExpression(f"did not expect {token.text!r}")
        return Call(None, token.text, self._listed(")")) if self._takes("(") else Attribute(token.text)

    def _methods(self, node: Node) -> Node:
        while True:
            if self._takes("."):
                node = self._member(node)
            elif self._takes("["):
                node = Call(None, "_[_]", (node, self.choice()))
                self._expect("]")
            else:
                return node

    def _member(self, node: Node) -> Node:
        name = self._take()
        if name.kind != "name":
            raise MalformedExpression(f"did not expect {name.text!r} after a dot")
        if self._takes("("):
            return Call(node, name.text, self._listed(")"))
        return Attribute(f"{node.path}.{name.text}") if isinstance(node, Attribute) else Call(node, name.text, ())

    def _listed(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self._takes(closing):
            if items:
                self._expect(",")
            items.append(self.choice())
        return tuple(items)

    def _take(self) -> _Token:
        if self._position >= len(self._tokens):
            raise MalformedExpression("the expression ends too early")
        self._position += 1
        return self._tokens[self._position - 1]

    def _takes(self, sign: str) -> bool:
        taken = self.next_text() == sign
        self._position += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise MalformedExpression(f"expected {sign!r} and found {self.next_text()!r}")


def _list(items: tuple[Node, ...]) -> Node:
    texts = [item.value for item in items if isinstance(item, Literal) and isinstance(item.value, str)]
    return Literal(tuple(texts)) if len(texts) == len(items) else Call(None, "list", items)
