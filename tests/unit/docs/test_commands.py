"""Commands that the pages print are written as the programs take them; other tests run them."""

import re
import shlex

import pytest

from cloudsql_iam_operator.__main__ import _parser
from support.gcloud_commands import faults
from support.pages import PROSE, ROOT, commands, mentioned

_SUBSTITUTED = re.compile(r"\$\((gcloud [^)]*)\)")

PRINTED = sorted(
    {
        (str(page.relative_to(ROOT)), text)
        for page in PROSE
        for text in [*(each.text for each in commands(page.read_text())), *mentioned(page.read_text())]
    }
)


def of(program: str) -> list[tuple[str, str]]:
    return [(page, text) for page, text in PRINTED if text.startswith(f"{program} ")]


SUBSTITUTED = [(page, found) for page, text in PRINTED for found in _SUBSTITUTED.findall(text)]
NAMED_ONLY = {
    "gcloud projects get-iam-policy",
    "gcloud services enable",
    "gcloud iam workload-identity-pools create-cred-config",
}
"""What a sentence calls a command by, without its arguments."""


@pytest.mark.parametrize(("page", "text"), [*of("gcloud"), *SUBSTITUTED])
def test_a_gcloud_command_of_a_page_is_one_that_gcloud_takes(page: str, text: str) -> None:
    assert text in NAMED_ONLY or faults(text.replace("\\\n", " ")) == [], page


@pytest.mark.parametrize(
    "text",
    [
        "gcloud iam roles make x --project=p --file=f",
        "gcloud sql users create a --instance=i",
        "gcloud projects add-iam-policy-binding p --role=r --member=m",
        "gcloud services enable --project=p",
        'gcloud projects add-iam-policy-binding p --role=r --member=m --condition=\'title=t,expression=a(["b", "c"])\'',
        "gcloud sql instances describe a b",
    ],
)
def test_a_command_that_gcloud_does_not_take_is_told(text: str) -> None:
    assert faults(text) != []


OWN = [
    (page, part.strip())
    for page, text in PRINTED
    for part in text.split("|")
    if part.strip().startswith("cloudsql-iam-operator ")
]


@pytest.mark.parametrize(("page", "text"), OWN)
def test_a_command_of_ours_has_the_arguments_that_the_page_gives_it(page: str, text: str) -> None:
    words = shlex.split(text.partition(" >")[0])[1:]
    words += [] if "-f" in words else ["-f", "manifests/"]  # a sentence names the verb alone

    options = _parser().parse_args(words)

    assert options.verb in {"plan", "inject"}, page


def test_every_page_with_commands_was_read() -> None:
    pages = {page for page, _ in PRINTED}

    assert {"docs/quickstart.md", "docs/permissions.md", "docs/operations.md", "docs/troubleshooting.md"} <= pages
    assert len(of("gcloud")) >= 12
    assert len(OWN) >= 6
