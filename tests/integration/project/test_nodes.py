"""Test processes are copies of one that has collected the tests, and dead ones are replaced."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support.processes.fleet import ROOT

CONFTEST = """
import os
from tests.support.nodes.hooks import (
    pytest_xdist_getremotemodule, pytest_xdist_make_scheduler, pytest_xdist_setupnodes)

def pytest_collection_finish(session):
    with open("collected", "a") as file:
        print(os.getpid(), file=file)
"""
#: Both processes die at the same time: the test waits for the other module.
DIES = """
import os, pathlib, time, pytest

def test_before():
    pass

def test_dies():
    pathlib.Path(f"at-{__name__}").touch()
    while len([*pathlib.Path().glob("at-*")]) < 2:
        time.sleep(0.01)
    os.abort()

def test_after():
    pass
"""
FAILS = """
import os

def test_prints_and_fails(tmp_path):
    (tmp_path / "left").touch()
    os.system("echo from a process")
    raise AssertionError(f"in {tmp_path}")
"""
MODULES = {"dies": DIES, "dies_too": DIES, "broken": "import nonsense", "fails": FAILS}
#: Where CI is set, pytest repeats whole messages in its summary.
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "CI"},
    "PYTHONPATH": str(ROOT),
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
}


class Run:
    """A run of pytest over the modules in a folder."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        plugins = ["-p", "xdist", "-n", "2", "--dist", "loadscope", "-p", "no:cacheprovider"]
        words = [*plugins, "--junitxml=xml", "--basetemp=base", *arguments]
        self.process = subprocess.run(
            [sys.executable, "-m", "pytest", *words], cwd=folder,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.output = self.process.stdout

    def outcomes(self) -> Counter[tuple[str, str]]:
        """The number of reports of each test with each outcome."""
        cases = ElementTree.parse(self.folder / "xml").iter("testcase")
        return Counter(
            (f"{case.get('classname')} {case.get('name')}", case[0].tag if len(case) else "passed")
            for case in cases
        )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST)
    for name, text in MODULES.items():
        (folder / f"test_{name}.py").write_text(text)
    return Run(folder)


def test_a_test_that_ends_its_process_fails_once_and_all_others_run(run: Run) -> None:
    print(run.output)
    outcomes = run.outcomes()
    for name in ("dies", "dies_too"):
        assert outcomes[f"test_{name} test_before", "passed"] == 1
        assert outcomes[f"test_{name} test_after", "passed"] == 1
        assert run.output.count(f"crashed while running 'test_{name}.py::test_dies'") == 1
    assert run.process.returncode == pytest.ExitCode.TESTS_FAILED


def test_tests_are_collected_once(run: Run) -> None:
    assert len((run.folder / "collected").read_text().split()) == 1


def test_a_module_that_cannot_be_imported_is_an_error(run: Run) -> None:
    assert "No module named 'nonsense'" in run.output
    assert re.search(r"1 error", run.output)


def test_each_process_has_its_own_folder_and_captures_output(run: Run) -> None:
    assert "from a process" in run.output
    assert re.search(r"in \S+/base/popen-gw\d/test_prints_and_fails0", run.output)


def test_tests_that_cannot_be_collected_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    run = Run(tmp_path, "missing.py")
    assert run.process.returncode == pytest.ExitCode.USAGE_ERROR, run.output
    assert "not found: missing.py" in run.output
