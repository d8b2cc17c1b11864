"""The nightly run skips exactly the steps that are done; its page is its state."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.steps import inputs, plan, record
from tests.steps import step as a_step
from tests.steps.junit import Counts, read
from tests.steps.step import FAILED, NOT_RUN, PASSED, Outcome, Step

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


@pytest.mark.parametrize(
    ("script", "result", "note"),
    [
        ("cp $XML unit.xml", PASSED, ""),
        ("cp $XML unit.xml; exit 2", FAILED, ""),
        ("true", FAILED, "it ran no test; see its output"),
        ("echo cannot run here: no engine > unit.note", NOT_RUN, "cannot run here: no engine"),
        ("echo cannot run here > unit.note; exit 2", FAILED, "cannot run here"),
    ],
)
def test_a_step_that_runs_no_test_has_failed_unless_it_has_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, result: str, note: str
) -> None:
    (tmp_path / "made.xml").write_text(XML)
    monkeypatch.setenv("XML", str(tmp_path / "made.xml"))
    monkeypatch.setattr(a_step, "REPORTS", tmp_path)
    monkeypatch.setattr(a_step, "command", lambda _: ["sh", "-c", f"cd {tmp_path}; {script}"])
    outcome = a_step.run(STEP)
    assert (outcome.result, outcome.note) == (result, note)


@pytest.mark.parametrize(
    ("reason", "ci", "code"),
    [
        ("Skipped: Chromium is not on this machine", "true", pytest.ExitCode.TESTS_FAILED),
        ("Skipped: promtool is not on this machine", "true", pytest.ExitCode.TESTS_FAILED),
        ("Skipped: needs root, to mount a small disk", "true", pytest.ExitCode.OK),
        ("Skipped: Chromium is not on this machine", "", pytest.ExitCode.OK),
    ],
)
def test_ci_skips_no_test_for_what_it_installs(
    monkeypatch: pytest.MonkeyPatch, reason: str, ci: str, code: pytest.ExitCode
) -> None:
    monkeypatch.setenv("CI", ci)
    skipped = SimpleNamespace(longrepr=("test_it.py", 1, reason))
    reporter = SimpleNamespace(stats={"skipped": [skipped]}, write_line=print)
    plugins = SimpleNamespace(get_plugin=lambda name: reporter)
    session: Any = SimpleNamespace(
        config=SimpleNamespace(pluginmanager=plugins), exitstatus=pytest.ExitCode.OK
    )
    conftest.pytest_sessionfinish(session)
    assert session.exitstatus == code
