"""Globs match what a naive matcher says they match, in one step for each character, whatever they say."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.core.globs import Globs, matches

SIGNS = st.text("ab*?", max_size=12)
TEXTS = st.text("ab\n", max_size=12)


def naive(glob: str, text: str) -> bool:
    """Tries every run for each star: what the two signs mean, at any cost."""
    if not glob:
        return not text
    if glob[0] == "*":
        return any(naive(glob[1:], text[begin:]) for begin in range(len(text) + 1))
    return bool(text) and glob[0] in ("?", text[0]) and naive(glob[1:], text[1:])


class Counted(str):
    """A text that counts how many of its characters were looked at."""

    __slots__ = ("looks",)
    looks: int

    def __iter__(self) -> Iterator[str]:
        self.looks = 0
        for character in str(self):
            self.looks += 1
            yield character


@given(SIGNS, TEXTS)
def test_a_glob_matches_what_its_signs_mean(glob: str, text: str) -> None:
    assert matches(glob, text) is naive(glob, text)


@given(st.lists(SIGNS, max_size=5), TEXTS)
def test_several_globs_match_what_one_of_them_matches(globs: list[str], text: str) -> None:
    assert Globs(globs).match(text) is any(naive(glob, text) for glob in globs)


@pytest.mark.parametrize("glob", ["*?" * 64 + "!", "*a" * 64 + "!", "*" * 128, "*a*" * 42, "?" * 127 + "*", "a*" * 64])
def test_a_match_takes_one_step_for_each_character(glob: str) -> None:
    text = Counted("a" * 2048)

    Globs([glob] * 100).match(text)

    assert text.looks <= len(text)


@pytest.mark.parametrize(
    ("glob", "text", "matched"),
    [
        ("app", "app", True),
        ("app", "app2", False),
        ("app", "myapp", False),
        ("team-*@p.iam.gserviceaccount.com", "team-x@p.iam.gserviceaccount.com", True),
        ("team-*@p.iam.gserviceaccount.com", "team-x@p.iam.gserviceaccount.com.evil.iam.gserviceaccount.com", False),
        ("*@acme.com", "ann@acmeXcom", False),
        ("a.b", "axb", False),
        ("a+", "aa", False),
        ("[ab]", "a", False),
        ("app", "App", False),
        ("*", "line\nbreak", True),
        ("", "", True),
        ("", "a", False),
        ("kate", "\u212aate", False),  # the Kelvin sign
        ("kate", "k\u0430te", False),  # a Cyrillic letter
        ("kate", "\uff4bate", False),  # a full-width letter
        ("istanbul", "\u0131stanbul", False),  # Turkish dotless i
        ("?", "\U0001f600", True),
        ("?", "e\u0301", False),  # an e and its accent are two characters
    ],
)
def test_globs_are_anchored_and_look_alike_letters_are_other_letters(glob: str, text: str, matched: bool) -> None:
    assert matches(glob, text) is matched
