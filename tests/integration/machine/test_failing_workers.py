"""A stack whose worker ends at once, as without /dev/shm, is reported with its log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.machine import stack
from producer.machine.workers import how_to_start
from producer.monitor import doctor as checks
from producer.monitor.doctor import Finding, Level
from shared.broker.runtime_paths import log_path
from tests.support.processes import local_stack
from tests.support.processes.fleet import wait_for
from tests.support.processes.local_stack import Place

ENDS = """
import os, sys
if "worker.app" in sys.orig_argv:
    sys.stderr.write("no shared memory\\n")
    os._exit(1)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "sitecustomize.py").write_text(ENDS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    yield from local_stack.new()


def workers(place: Place) -> Finding:
    (found,) = (one for one in checks.reachable(place.settings) if one.topic == "workers")
    return found


def test_the_log_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert how_to_start(place.settings).endswith(": hangtag up"), "it is down"
    stack.up(place.settings, 1)
    log = log_path(place.settings)
    wait_for("a failure", lambda: "no shared memory" in log.read_text())
    assert how_to_start(place.settings) == f"no worker has started yet; see {log}"
    assert workers(place).level is Level.OK, "it may still start"
    monkeypatch.setattr(checks, "STARTING_S", 0.0)
    found = workers(place)
    assert (found.level, found.fix) == (Level.PROBLEM, f"see {log}")
    stack.up(place.settings, workers=1, floor=0)
    assert workers(place).level is Level.OK, "none is wanted without a job"
