"""Guards of Python sources are found, and a guard that no test misses is reported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.mutants.guards.equivalents import EQUIVALENT
from tests.mutants.guards.find import mutants_of
from tests.mutants.guards.packages import PACKAGES, ROOT

PLANTED = """
def tested(size):
    if size > 3:
        raise ValueError(size)

def untested(size):
    if size > 4:
        raise ValueError(size)

def unreached(size):
    if size > 5:
        raise ValueError(size)
"""
TESTS = """
import planted, pytest

def test_size():
    with pytest.raises(ValueError):
        planted.tested(4)
    planted.tested(1)
    planted.untested(1)
"""


def test_guards_without_a_test_are_reported_and_tested_ones_are_killed(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED)
    (tmp_path / "test_planted.py").write_text(TESTS)
    command = ["--root", str(tmp_path), "--sources", "planted.py", "--tests", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.guards", *command],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if " reach it: " in line]
    assert sorted(found) == [
        "reached by no test, 0 tests reach it: planted.py: unreached: size > 5 -> False",
        "survived, 1 tests reach it: planted.py: untested: size > 4 -> False",
    ], done.stdout + done.stderr
    assert "3 mutants: 1 killed, 0 equivalent, 2 survive, 0 undecided" in done.stdout
    assert done.returncode == 1


def test_every_listed_equivalent_is_a_mutant_and_has_a_reason() -> None:
    files = [path for package in PACKAGES.values() for path in package.files()]
    assert EQUIVALENT.keys() <= {one.id for path in files for one in mutants_of(ROOT, path)}
    assert all(EQUIVALENT.values())


def test_every_package_has_sources_and_tests() -> None:
    for name, package in PACKAGES.items():
        assert all(list(ROOT.glob(pattern)) for pattern in package.sources), name
        assert all((ROOT / path).exists() for path in package.all_tests), name
