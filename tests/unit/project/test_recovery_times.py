"""The bounds of the fault tests for a recovery follow the documented times."""

from __future__ import annotations

import re

import pytest

from tests.support.jobs.recovery_times import EVERY
from tests.support.processes.fleet import ROOT

ROWS = {
    int(found[1]): found[2]
    for found in re.finditer(r"^\| (\d+) \|(.*)$", (ROOT / "docs/reliability.md").read_text(), re.M)
}


@pytest.mark.parametrize("name", EVERY)
def test_a_bound_belongs_to_a_time_in_its_row_of_the_page(name: str) -> None:
    seen = EVERY[name]
    assert re.search(rf"(?<![\d.]){seen.seconds}(?![\d.])", ROWS[seen.row]), ROWS[seen.row]
