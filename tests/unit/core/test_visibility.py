import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.core.visibility import visible

OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that are not shown but act: controls, bidirectional marks, surrogates, ends of lines."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("z\x1b[2J\x1b[1;1H", "z\\x1b[2J\\x1b[1;1H"),
        ("a\x01b\x00c", "a\\x01b\\x00c"),
        ("one\ntwo\r\tthree", "one\\ntwo\\r\\tthree"),
        ("user\u202eresu", "user\\u202eresu"),
        ("\u2066\u2069\u200f\u061c", "\\u2066\\u2069\\u200f\\u061c"),
        ("\x9b2J\x85", "\\x9b2J\\x85"),
        ("app\u200bro", "app\\u200bro"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
        (
            'GRANT SELECT ON TABLE "app"."größe 名" TO "x@acme.iam"',
            'GRANT SELECT ON TABLE "app"."größe 名" TO "x@acme.iam"',
        ),
        ("", ""),
    ],
)
def test_what_would_be_obeyed_is_written_out_and_letters_stay(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_no_character_that_acts_is_left_in_any_text(text: str) -> None:
    assert {unicodedata.category(one) for one in visible(text)} & OBEYED == set()
