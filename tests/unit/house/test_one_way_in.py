"""What is known of objects comes in by one way, which knows those that have ended."""

import ast
from collections.abc import Iterator
from pathlib import Path

import cloudsql_iam_operator

PACKAGE = Path(cloudsql_iam_operator.__file__).parent


def test_what_is_answered_after_an_await_is_put_by_renew_alone() -> None:
    reading_once = ("preview", "learn", True)  # sees no end of anything
    puts = {
        (path.stem, function.name, isinstance(function, ast.AsyncFunctionDef))
        for path in PACKAGE.rglob("*.py")
        for function in _functions(path)
        for call in ast.walk(function)
        if _puts(call)
    }

    assert puts == {("engine", "seen", False), ("registry", "renew", False), reading_once}


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _puts(node: ast.AST) -> bool:
    """Whether it calls `put` of a registry, or from within it."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "put"):
        return False
    owner = ast.unparse(node.func.value)
    return owner.endswith("registry") or owner == "self"
