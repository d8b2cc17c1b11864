"""A child that died with a hint in progress is listed exactly until its death is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.process import child_id
from worker.lifecycle.child_records import BusyProcesses


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def test_a_child_that_dies_at_work_is_listed_by_its_id_until_it_is_counted(
    child: subprocess.Popen[bytes],
) -> None:
    processes, id_ = BusyProcesses(), child_id(child.pid)
    processes.started(child.pid)
    processes.busy(child.pid)
    assert processes.listed([child.pid]) == [id_]
    ended(child)
    assert processes.listed([]) == [id_]
    assert processes.listed([os.getpid()]) == [child_id(os.getpid()), id_]
    processes.reported(child.pid)
    assert processes.listed([]) == []


def test_the_start_of_a_hint_may_be_reported_after_the_death(
    child: subprocess.Popen[bytes],
) -> None:
    processes, id_ = BusyProcesses(), child_id(child.pid)
    processes.started(child.pid)
    ended(child)
    assert processes.listed([child.pid]) == [id_], "the pool still lists it"
    processes.busy(child.pid)
    assert processes.listed([]) == [id_]


def test_a_child_is_idle_before_and_after_each_hint(child: subprocess.Popen[bytes]) -> None:
    processes, id_ = BusyProcesses(), child_id(child.pid)
    processes.started(child.pid)
    assert processes.idle_of([child.pid]) == [id_]
    processes.busy(child.pid)
    assert processes.idle_of([child.pid, os.getpid()]) == [child_id(os.getpid())]
    processes.idle(child.pid)
    assert processes.idle_of([child.pid]) == [id_]
    assert processes.idle_of([]) == [], "it is not in the pool"
