"""The memory of a process is measured without that of the process which has started it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from benchmarks import looks
from benchmarks.environment.paths import ROOT
from benchmarks.measure import peak_memory

MB = 1 << 20
WORK = "b'x' * (100 << 20)"
IN_A_CHILD = f'import subprocess, sys; subprocess.run([sys.executable, "-c", "{WORK}"], check=True)'


@pytest.fixture
def large() -> bytes:
    """Makes this process larger than those that it starts."""
    return b"x" * (300 * MB)


@pytest.mark.parametrize("work", [WORK, IN_A_CHILD])
def test_the_peak_is_that_of_a_module_or_of_its_largest_child(
    large: bytes, tmp_path: Path, work: str
) -> None:
    command = peak_memory.command(tmp_path / "peak", "timeit", "-n", "1", "-r", "1", work)
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    assert 100 * MB < int((tmp_path / "peak").read_text()) < 200 * MB


def test_a_module_that_fails_keeps_its_exit_code(tmp_path: Path) -> None:
    command = peak_memory.command(tmp_path / "peak", "timeit", "--no-such-option")
    assert subprocess.run(command, check=False, cwd=ROOT, stderr=subprocess.DEVNULL).returncode == 2
    assert int((tmp_path / "peak").read_text()) > MB


def test_the_memory_of_a_command_is_its_own(
    large: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    written = tmp_path / "page.html"
    written.touch()
    assert 5 < looks.measure("help", 0, ["--help"], written).memory_mb < 200
