"""Three runs with HANGTAG_TEST_THIRD=0, 1 and 2 run each crash point's case once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import LONG, THIRD_VARIABLE, THIRDS
from tests.support.nodes.module_parts import parts_of
from tests.support.processes.fleet import ROOT

SUITES = sorted(str(path) for path in (ROOT / "tests" / "faults").glob("*/test_failpoints*.py"))
OTHER = "tests/faults/producer/test_two_jobs.py"
#: Collects several times in one process, since imports take most of the time.
COLLECT = f"""
import json, os, pathlib, sys, pytest
class Seen:
    def pytest_collection_finish(self, session):
        self.names = [item.nodeid for item in session.items]
found = []
for third in json.loads(sys.argv[2]):
    os.environ["{THIRD_VARIABLE}"] = third
    seen = Seen()
    code = pytest.main(["--collect-only", "-q", "--servers", "both", *sys.argv[3:]], [seen])
    found.append(seen.names if code == 0 else None)
pathlib.Path(sys.argv[1]).write_text(json.dumps(found))
"""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> list[list[str] | None]:
    """The cases that run without the variable, with each third, and with an invalid value."""
    found = tmp_path_factory.mktemp("thirds") / "found"
    values = json.dumps(["", *THIRDS, "3"])
    command = [sys.executable, "-c", COLLECT, str(found), values, *SUITES, OTHER]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return list(json.loads(Path(found).read_text()))


def test_each_case_is_in_exactly_one_third(collected: list[list[str] | None]) -> None:
    """A case is in the same third on both servers: CI changes third and server at each commit."""
    whole, *thirds = [{*map(_anywhere, names or [])} for names in collected[:4]]
    of_points = {name for name in whole if OTHER not in name}
    assert len(of_points) > 200
    own = [names & of_points for names in thirds]
    assert set.union(*own) == of_points
    assert sum(map(len, own)) == len(of_points)
    assert all(len(of_points) / 4 < len(names) < len(of_points) / 2.4 for names in own)


def test_long_modules_come_first_and_run_in_parts(collected: list[list[str] | None]) -> None:
    names = collected[1] or []
    parts = parts_of(names, LONG)
    first = list(dict.fromkeys(name.partition("::")[0] for name in names))
    assert [module for module in LONG if module in first] == first[: -len(set(first) - set(LONG))]
    for module in first:
        own = [parts[name] for name in names if name.startswith(f"{module}::")]
        assert own == sorted(own), "a part is not one piece of its module"
        sizes = Counter(own).values()
        assert len(sizes) == LONG.get(module, 1)
        assert max(sizes) - min(sizes) <= 1


def test_every_long_module_exists() -> None:
    assert [module for module in LONG if not (ROOT / module).is_file()] == []


def _anywhere(name: str) -> str:
    return name.replace("valkey-server", "server").replace("redis-server", "server")


def test_other_tests_are_in_each_third(collected: list[list[str] | None]) -> None:
    others = [{name for name in names or [] if OTHER in name} for names in collected[:4]]
    assert others[0]
    assert all(names == others[0] for names in others)


def test_an_invalid_third_runs_nothing(collected: list[list[str] | None]) -> None:
    assert collected[4] is None
