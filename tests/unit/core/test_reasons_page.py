from pathlib import Path

from cloudsql_iam_operator.core.reasons import Reason, Standing

PAGE = Path(__file__).parents[3] / "docs" / "reasons.md"
SECTIONS = {"Holds": Standing.HOLDS, "Waits": Standing.WAITS, "Stalled": Standing.STALLED}


def test_every_reason_has_a_meaning_and_a_remedy_in_its_section_of_the_page() -> None:
    documented: dict[str, Standing] = {}
    for section in PAGE.read_text().split("\n## ")[1:]:
        title, *lines = section.splitlines()
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
        documented |= {row[0].strip("`"): SECTIONS[title] for row in rows if all(row) and len(row) == 3}

    assert documented == {str(reason): reason.standing for reason in Reason}
