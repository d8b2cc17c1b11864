"""The nightly run skips exactly the steps that are done; its page is its state."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests import conftest
from tests.mutants.guards.packages import PACKAGES
from tests.steps import inputs, plan, record
from tests.steps import step as a_step
from tests.steps.junit import Counts, read
from tests.steps.step import FAILED, NOT_RUN, PASSED, Outcome, Step

STEP = Step("unit", "test-unit", ("pyproject.toml",))
XML = """<testsuites><testsuite>
<testcase name="a"><properties><property name="histories" value="1500"/></properties></testcase>
<testcase name="e"><properties><property name="histories" value="1"/>
<property name="hypothesis-statistics" value="x:\n"/></properties></testcase>
<testcase name="b"><failure message="x"/></testcase>
<testcase name="c"><skipped message="no root"/></testcase>
<testcase name="d"><error message="y"/></testcase>
</testsuite></testsuites>"""


def test_tests_are_counted_from_the_report_of_pytest(tmp_path: Path) -> None:
    path = tmp_path / "unit.xml"
    path.write_text(XML)
    assert read([path]) == Counts(2, 2, 1, (("no root", 1),), (("histories", 1501),))


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


def test_every_step_depends_on_existing_files() -> None:
    for pattern in {pattern for step in plan.nightly() for pattern in step.inputs}:
        assert inputs.git("ls-files", "--", pattern).strip(), pattern


def test_the_night_mutates_the_guards_of_every_package() -> None:
    assert sorted(name for names in plan.GUARDED for name in names.split()) == sorted(PACKAGES)


def test_a_changed_file_of_the_product_makes_its_steps_stale() -> None:
    """Those of the ledgers have neither a worker nor the module for Python."""
    product = set(inputs.tracked(("hangtag", "producer", "worker", "shared")))
    missing = {step.name: product - set(inputs.tracked(step.inputs)) for step in plan.nightly()}
    assert {name for name, files in missing.items() if files} == {"histories"}
    assert {name.partition("/")[0] for name in missing["histories"]} == {"hangtag", "worker"}


@pytest.mark.parametrize(
    ("script", "result", "note"),
    [
        ("cp $XML unit.xml", PASSED, "1,501 histories"),
        ("cp $XML unit.xml; echo 7 rows > unit.note", PASSED, "7 rows"),
        ("cp $XML unit.xml; exit 2", FAILED, "1,501 histories"),
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
