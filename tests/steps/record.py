"""`docs/nightly.md`: the steps of the nightly run, with time, commit and result.

The page is also the record: a step with the result `passed` and the current digest of its inputs
is done, and the next run skips it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.steps import inputs
from tests.steps.step import PASSED, ROOT, Outcome, Step

PAGE = ROOT / inputs.NIGHTLY_PAGE
_COLUMNS = ("step", "result", "tests", "failed", "skipped", "seconds", "when (UTC)", "commit",
            "inputs", "figures")  # fmt: skip
_HEAD = """# Nightly run

`make nightly` repeats each step of which a file has changed since it passed, and writes this page.
`WITHIN=140` starts only what ends within this number of minutes. The column `inputs` is a digest of
the step's files. `make release-check` refuses while a row is not green.

"""


class Row(NamedTuple):
    """One line of the table; the columns are those of the page."""

    step: str
    result: str
    tests: str
    failed: str
    skipped: str
    seconds: str
    when: str
    commit: str
    inputs: str
    figures: str


def read(page: Path = PAGE) -> dict[str, Row]:
    """The rows by step; empty without a page."""
    if not page.exists():
        return {}
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")]
    rows = [Row(*map(str.strip, line.strip("| ").split(" | "))) for line in lines[2:]
            if line.count(" | ") == len(_COLUMNS) - 1]  # fmt: skip
    return {row.step: row for row in rows}


def done(step: Step, rows: dict[str, Row]) -> bool:
    """Whether the step has passed with the current files."""
    row = rows.get(step.name)
    return row is not None and row.result == PASSED and row.inputs == inputs.digest(step)


def row(step: Step, outcome: Outcome, used: str) -> Row:
    """The row of a finished step; `used` is the digest from before its start."""
    counts = outcome.counts
    tests, failed, skipped = (str(n) if counts.cases else "-" for n in
                              (counts.cases, counts.failed, counts.skipped))  # fmt: skip
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    return Row(step.name, outcome.result, tests, failed, skipped, f"{outcome.seconds:.0f}", now,
               inputs.commit(), used, outcome.note.replace("|", "/") or "-")  # fmt: skip


def write(rows: dict[str, Row], order: tuple[str, ...], page: Path = PAGE) -> None:
    """Write the page with these rows in the order of the steps, without rows of unknown steps."""
    known = [rows[name] for name in order if name in rows]
    lines = [_COLUMNS, ("---",) * len(_COLUMNS), *known]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    minutes = sum(float(one.seconds) for one in known) / 60
    page.write_text(f"{_HEAD}{table}\n\n{minutes:.0f} minutes of steps.\n")
