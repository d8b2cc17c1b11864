"""The nightly run skips exactly the steps that are done; its page is its state."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.steps import inputs, plan, record
from tests.steps.junit import Counts, read
from tests.steps.step import FAILED, PASSED, Outcome, Step

STEP = Step("unit", "test-unit", ("pyproject.toml",))
XML = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure message="x"/></testcase>
<testcase name="c"><skipped message="no root"/></testcase>
<testcase name="d"><error message="y"/></testcase>
</testsuite></testsuites>"""


def test_tests_are_counted_from_the_report_of_pytest(tmp_path: Path) -> None:
    path = tmp_path / "unit.xml"
    path.write_text(XML)
    assert read([path]) == Counts(1, 2, 1, (("no root", 1),))


@pytest.mark.parametrize(
    ("result", "used", "done"),
    [(PASSED, inputs.digest(STEP), True), (FAILED, inputs.digest(STEP), False),
     (PASSED, "0" * 12, False)],
)  # fmt: skip
def test_a_step_is_done_if_it_passed_with_the_current_files(
    tmp_path: Path, result: str, used: str, done: bool
) -> None:
    page = tmp_path / "nightly.md"
    row = record.row(STEP, Outcome("unit", result, 61.0, Counts(7, 0, 1), "7 figures"), used)
    record.write({"unit": row}, ("unit",), page)
    assert record.read(page) == {"unit": row}
    assert record.done(STEP, record.read(page)) is done


def test_the_digest_depends_on_the_command_and_on_every_file() -> None:
    known = inputs.digest(STEP)
    assert inputs.digest(STEP) == known
    assert inputs.digest(STEP._replace(variables=("THIRD=1",))) != known
    assert inputs.digest(STEP._replace(inputs=("pyproject.toml", "Makefile"))) != known


def test_every_step_depends_on_existing_files() -> None:
    for step in plan.nightly():
        for pattern in step.inputs:
            assert inputs.git("ls-files", "--", pattern).strip(), (step.name, pattern)


def test_the_page_itself_is_an_input_of_no_step() -> None:
    tracked = {name for step in plan.nightly() for name in inputs.tracked(step.inputs)}
    assert "docs/models.md" in tracked
    assert inputs.NIGHTLY_PAGE not in tracked
