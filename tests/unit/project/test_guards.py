"""Guards of Python sources are found, and a guard that no test misses is reported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutants.guards.equivalents import EQUIVALENT
from tests.mutants.guards.find import mutants_of, named
from tests.mutants.guards.packages import PACKAGES, ROOT

PLANTED = """
import os, sys

def tested(size):
    if size > 3:
        raise ValueError(size)

def untested(size):
    if size > 4:
        raise ValueError(size)

def in_a_process(size):
    if size > 5:
        raise ValueError(size)

def unreached(size):
    if size > 6:
        raise ValueError(size)

def measured(size):
    if size > 7:
        raise ValueError(size)

def compared(size):
    if size > 8:
        raise ValueError(size)

def slow(size):
    if size > 9:
        raise ValueError(size)
"""
TESTS = """
import subprocess, sys
import planted, pytest

seen = []

def test_size():
    with pytest.raises(ValueError):
        planted.tested(4)
    planted.tested(1)

def test_process():
    code = "import planted; planted.in_a_process(6)"
    assert subprocess.run([sys.executable, "-c", code], cwd=CWD).returncode == 1

def test_first():
    seen.append(1)

def test_that_passes_only_after_the_first():
    assert seen
    planted.untested(1)
"""


#: Each knows its runs: 1 is measured without a mutant, then come the mutant, the same tests without
#: it, and the mutant again, side by side with others; then the machine is no longer busy.
BUSY = """
import time
from pathlib import Path
import planted, pytest

def test_on_a_busy_machine(request):
    counted = Path(CWD, "runs of NAME")
    runs = 1 + (counted.stat().st_size if counted.exists() else 0)
    counted.write_text(runs * "x")
    BODY
"""
BODIES = {
    "measured": """
    assert runs != 1
    with pytest.raises(ValueError):
        planted.measured(8)
""",
    "compared": """
    assert runs != 3
    with pytest.raises(ValueError):
        planted.compared(9)
""",
    "slow": """
    limit = request.node.get_closest_marker("timeout")
    if limit:
        time.sleep(limit.args[0] * {2: 2, 3: 1 / 2, 4: 2}.get(runs, 0))
    planted.slow(1)
""",
}
#: A test has this time beside its usual one.
SPARE_S = 2.0


def test_guards_without_a_test_are_reported_and_tested_ones_are_killed(tmp_path: Path) -> None:
    """Also those in a process that the test starts, and however busy the machine is. A test that
    needs another before it kills none, since it fails alone without a mutant, too."""
    (tmp_path / "planted.py").write_text(PLANTED)
    (tmp_path / "test_planted.py").write_text(TESTS.replace("CWD", repr(str(tmp_path))))
    for name, body in BODIES.items():
        text = BUSY.replace("CWD", repr(str(tmp_path))).replace("NAME", name)
        (tmp_path / f"test_{name}.py").write_text(text.replace("    BODY", body))
    command = ["--root", str(tmp_path), "--sources", "planted.py", "--tests", str(tmp_path),
               "--spare-s", str(SPARE_S)]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutants.guards", *command],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if " reach it: " in line]
    assert sorted(found) == [
        "reached by no test, 0 tests reach it: planted.py: unreached: size > 6 -> False",
        "survived, 1 tests reach it: planted.py: slow: size > 9 -> False",
        "survived, 1 tests reach it: planted.py: untested: size > 4 -> False",
    ], done.stdout + done.stderr
    assert "7 mutants: 4 killed, 0 equivalent, 3 survive, 0 undecided" in done.stdout
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("text", "mutants"),
    [
        ("if a and not b: raise X", ["a and (not b) -> False", "a -> True", "not b -> True"]),
        ("if a or b: return None", ["a or b -> False", "a -> False", "b -> False"]),
        ("if a: g()\nelse: raise X", ["a -> True"]),
        ("return refused(b) if a else b", ["a -> False"]),
        ("same = sha256 == wanted", ["sha256 == wanted -> True", "sha256 == wanted -> False"]),
        ("low = free < FREE_MIN", ["free < FREE_MIN -> True", "free < FREE_MIN -> False"]),
        ("return a and b", ["a -> True", "b -> True"]),
        ("os.fsync(fd)", ["os.fsync(fd) -> nothing"]),
        ("file_lock.acquire(fd)", ["file_lock.acquire(fd) -> nothing"]),
        ("with self._lock: pass", ["self._lock -> no lock"]),
        ("s.bind((HOST, port))", ["HOST -> every address"]),
        ("serve(limit=MAX_CONNECTIONS)", ["MAX_CONNECTIONS -> no limit"]),
        ("send(HEADERS)", ["HEADERS -> without X-A", "HEADERS -> without X-B"]),
        ("if a: g()", []),
    ],
)
def test_each_kind_of_guard_has_its_mutants(text: str, mutants: list[str]) -> None:
    body = "\n".join(f"    {line}" for line in text.splitlines())
    tree = ast.parse(f"HEADERS = {{'X-A': '1', 'X-B': '2'}}\ndef f():\n{body}\n")
    assert [one.name for one, *_ in named("x.py", tree)] == [f"f: {name}" for name in mutants]


def test_every_listed_equivalent_is_a_mutant_and_has_a_reason() -> None:
    files = [path for package in PACKAGES.values() for path in package.files()]
    assert EQUIVALENT.keys() <= {one.id for path in files for one in mutants_of(ROOT, path)}
    assert all(EQUIVALENT.values())


def test_every_package_has_sources_and_tests() -> None:
    for name, package in PACKAGES.items():
        assert all(list(ROOT.glob(pattern)) for pattern in package.sources), name
        assert all((ROOT / path).exists() for path in package.all_tests), name
