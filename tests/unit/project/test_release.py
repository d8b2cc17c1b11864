"""A release is refused while a row of the night is red or stale, or versions disagree."""

from __future__ import annotations

from typing import Any

import pytest

from tests.steps import release
from tests.steps.record import Row
from tests.steps.step import Step

STEP = Step("test", "test", ())
PYTHON = Step("python-3.12", "test-unit", (), needs="python3.12")
GREEN = Row("test", "passed", "7", "0", "0", "61", "2026-11-29 12:00", "0123456789", "abc", "-")
TEXTS = {
    "pyproject.toml": 'name = "hangtag"\nversion = "0.2.0"\n',
    "CITATION.cff": "cff-version: 1.2.0\nversion: 0.2.0\ndate-released: 2026-11-30\n",
    "CHANGELOG.md": "# Changelog\n\n## [0.2.0] - 2026-11-30\n\n## [0.1.0] - 2026-10-01\n",
}


@pytest.mark.parametrize(
    ("step", "changes", "said"),
    [
        (STEP, {}, ""),
        (STEP, {"result": "failed"}, "test: failed"),
        (STEP, {"result": "not run"}, "test: not run"),
        (STEP, {"inputs": "abd"}, "test ran with other files, at 0123456789"),
        (STEP, {"commit": "0123456789+"}, "test ran with files that were not committed"),
        (STEP, None, "test is missing in docs/nightly.md"),
        (PYTHON, {"step": "python-3.12", "result": "not run"}, ""),
        (PYTHON, {"step": "python-3.12", "result": "failed"}, "python-3.12: failed"),
        (PYTHON, None, "python-3.12 is missing in docs/nightly.md"),
    ],
)
def test_a_row_that_is_red_missing_or_stale_refuses_a_release(
    step: Step, changes: dict[str, Any] | None, said: str
) -> None:
    rows = {} if changes is None else {step.name: GREEN._replace(**changes)}
    assert [*release.of_rows([step], rows, lambda _: "abc")] == [said] * bool(said)


@pytest.mark.parametrize(
    ("changes", "installed", "said"),
    [
        ({}, "0.2.0", ""),
        ({}, "0.1.0", "the installed hangtag is 0.1.0, pyproject.toml 0.2.0"),
        ({"CITATION.cff": "version: 0.1.0\ndate-released: 2026-11-30\n"}, "0.2.0",
         "CITATION.cff is 0.1.0, pyproject.toml 0.2.0"),
        ({"CHANGELOG.md": "## [0.3.0] - 2026-11-30\n"}, "0.2.0",
         "CHANGELOG.md is 0.3.0, pyproject.toml 0.2.0"),
        ({"CHANGELOG.md": "## [0.2.0] - unreleased\n"}, "0.2.0",
         "the date in CHANGELOG.md is unreleased, in CITATION.cff 2026-11-30"),
    ],
)  # fmt: skip
def test_versions_and_dates_that_disagree_refuse_a_release(
    changes: dict[str, str], installed: str, said: str
) -> None:
    assert [*release.of_versions(TEXTS | changes, installed)] == [said] * bool(said)
