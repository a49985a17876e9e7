"""The package's rooms stay small, and what is private to a module is used by that module alone."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[3] / "operator" / "cloudsql_iam_operator"
MOST_FILES = 14


def test_no_room_has_more_files_than_one_takes_in_at_a_glance() -> None:
    rooms = Counter(path.parent for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")

    crowded = {str(room.relative_to(PACKAGE)): files for room, files in rooms.items() if files > MOST_FILES}
    assert crowded == {}
    assert len(rooms) > 15


def test_nobody_imports_a_name_that_is_private_to_another_module() -> None:
    borrowed = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in PACKAGE.rglob("*.py")
        for name in imported_names(ast.parse(path.read_text()))
        if name.startswith("_") and not name.startswith("__")
    ]

    assert borrowed == []


def imported_names(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
