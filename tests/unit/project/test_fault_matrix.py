"""The matrix of docs/reliability.md names tests that exist, and counts the kinds of fault."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FAULTS = ROOT / "tests" / "faults"
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
#: Number, fault and tests of each row.
ROWS = re.findall(
    r"^\| (\d+) \| (.*?) \| (.*?) \|", (ROOT / "docs/reliability.md").read_text("utf-8"), re.M
)
#: Random faults of the other kinds.
NO_KIND = {"soak"}


def named(tests: str) -> set[Path]:
    return {(FAULTS / name).resolve() for name in re.findall(r"`([\w./]+\.py)`", tests)}


def test_the_rows_are_numbered() -> None:
    assert [int(number) for number, *_ in ROWS] == [*range(1, len(ROWS) + 1)]


def test_every_row_names_tests_that_exist_or_another_row() -> None:
    for number, _, tests in ROWS:
        assert named(tests) or re.fullmatch(r"as \d+", tests), number
        assert [path for path in named(tests) if not path.is_file()] == []


def test_the_pages_count_the_kinds_of_fault_as_the_matrix_does() -> None:
    kinds = [fault for _, fault, _ in ROWS if fault not in NO_KIND]
    for page in PAGES:
        counts = re.findall(r"(\d+) kinds of faults?\b", page.read_text("utf-8"))
        assert {*map(int, counts)} <= {len(kinds)}, page.name
