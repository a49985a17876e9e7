"""How what somebody wrote is put before a person, and which texts are let in."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudsql_iam_operator.api.parsing.texts import IDENTIFIER, PERSON, SERVICE_ACCOUNT, printed, shown


@given(st.text())
def test_nothing_that_a_terminal_acts_on_is_printed(text: str) -> None:
    kept = set(printed(text)) - {"\n", "\t"}

    assert {c for c in kept if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}} == set()


@pytest.mark.parametrize("text", ["", "tables are unlocked", "größe, 表, é\u0301", "one\ntwo\tthree", "a\u00a0b"])
def test_what_only_has_letters_is_printed_as_it_is(text: str) -> None:
    assert printed(text) == text


def test_a_value_is_repeated_quoted_in_ascii_and_cut() -> None:
    assert shown("ä\x1b") == r"'\xe4\x1b'"
    assert len(shown("x" * 1_000_000)) == 81


def test_a_text_that_is_too_long_is_refused_by_its_length() -> None:
    assert "64 bytes" in IDENTIFIER.problem("ä" * 32)
    assert "32768 characters" in IDENTIFIER.problem("x" * 32_768)


@pytest.mark.parametrize(
    "account",
    [
        "\u212aate@p.iam.gserviceaccount.com",  # the Kelvin sign, whose lower case is k
        "k\u0430te@p.iam.gserviceaccount.com",  # a Cyrillic letter
        "\uff4bate@p.iam.gserviceaccount.com",  # a full-width letter
        "\u0131x@p.iam.gserviceaccount.com",  # a Turkish dotless i
        "x@p.iam.g\u017ferviceaccount.com",  # a long s, whose upper case is S
        "x@p.iam.gserviceaccount.com.evil.com",
        "x@p.iam.gserviceaccount.com\n",
    ],
)
def test_no_look_alike_is_a_service_account(account: str) -> None:
    assert SERVICE_ACCOUNT.problem(account)


@pytest.mark.parametrize(
    "person", ["x@p.iam.gserviceaccount.com", "x@p.iam.GSERVICEACCOUNT.com", "a@b@acme.com", "a b@acme.com"]
)
def test_no_service_account_is_a_person(person: str) -> None:
    assert PERSON.problem(person)
