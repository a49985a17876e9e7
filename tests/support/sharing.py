"""Several sessions of pytest on the same files: each takes the next file that no other took, until none is left.

    pytest -p support.sharing --taken DIRECTORY tests/…

All are given one empty DIRECTORY; who creates a file's mark in it runs that file, and nobody else does. A session that
ends well has seen every file taken, by itself or by another, so that all went well when every session did.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST = (
    "test_scale",
    "test_killed_at_every_call",
    "test_users_principals",
    "test_patterns",
    "test_uninstall",
    "test_a_story",
)
"""Files that take longest, begun first: what is begun last is what everybody waits for. The others go by name.

None of `integration/cluster`: what the webhook leaves on its control plane is in the way of the kubelet there."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where the sessions leave their marks."""
    parser.addoption("--taken", type=Path, required=True, help="a directory for the marks of files that were taken")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what this session takes; a failed collection is left to pytest, which says so."""
    if session.testsfailed or session.config.option.collectonly:
        return None
    items = _taken(session)
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def _taken(session: pytest.Session) -> Iterator[pytest.Item]:
    """The tests of one file after another, each taken when it is due."""
    directory, files = session.config.getoption("--taken"), dict[Path, list[pytest.Item]]()
    for item in session.items:
        files.setdefault(item.path, []).append(item)
    for path in sorted(files, key=_turn):
        if _take(directory / "-".join(path.relative_to(session.config.rootpath).parts)):
            yield from files[path]


def _turn(path: Path) -> int:
    return LONGEST.index(path.stem) if path.stem in LONGEST else len(LONGEST)


def _take(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
