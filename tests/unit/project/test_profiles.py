"""Property tests: the quick profile is the same in every run, the full one is random."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.processes.fleet import ROOT

PROFILES = {"quick": True, "thorough": False, "full": False}
SHOW = """
import os, sys
import hypothesis  # reads CI
import tests.conftest
from importlib import reload
for profile in sys.argv[1:]:
    os.environ["HYPOTHESIS_PROFILE"] = profile
    reload(tests.conftest)
    print(profile, hypothesis.settings.default.derandomize)
"""


@pytest.mark.parametrize("ci", [{}, {"CI": "true"}], ids=["laptop", "CI"])
def test_only_the_quick_profile_is_deterministic(ci: dict[str, str]) -> None:
    """If CI is set, Hypothesis derandomizes every profile that does not state otherwise."""
    inherited = {name: value for name, value in os.environ.items() if name != "CI"}
    printed = subprocess.run(
        [sys.executable, "-c", SHOW, *PROFILES],
        cwd=ROOT, env=inherited | ci, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert printed.stdout.splitlines() == [f"{name} {same}" for name, same in PROFILES.items()]
