"""Property tests: the quick profile is the same in every run, the full one is random."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.processes.fleet import ROOT

SHOW = "import tests.conftest, hypothesis; print(hypothesis.settings.default.derandomize)"


@pytest.mark.parametrize(("profile", "same"), [("quick", True), ("full", False)])
@pytest.mark.parametrize("ci", [{}, {"CI": "true"}], ids=["laptop", "CI"])
def test_only_the_quick_profile_is_deterministic(
    profile: str, same: bool, ci: dict[str, str]
) -> None:
    """If CI is set, Hypothesis derandomizes every profile that does not state otherwise."""
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    environment = {**inherited, **ci, "HYPOTHESIS_PROFILE": profile}
    command = [sys.executable, "-c", SHOW]
    printed = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    assert printed.stdout.decode().strip() == str(same)
