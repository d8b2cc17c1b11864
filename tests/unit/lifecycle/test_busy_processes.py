"""A child that died with a hint in hand is listed until its death is counted, and no longer."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.process import child_id
from worker.lifecycle import busy_processes
from worker.lifecycle.busy_processes import BusyProcesses


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def ended(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def test_who_dies_at_work_is_listed_by_its_id_until_it_is_counted(
    child: subprocess.Popen[bytes],
) -> None:
    at_work, id_ = BusyProcesses(), child_id(child.pid)
    at_work.started(child.pid)
    at_work.busy(child.pid)
    assert at_work.listed([child.pid]) == [id_]
    ended(child)
    assert at_work.listed([]) == [id_]
    assert at_work.listed([os.getpid()]) == [child_id(os.getpid()), id_]
    at_work.reported(child.pid)
    assert at_work.listed([]) == []


def test_that_it_took_a_hint_may_be_heard_when_it_is_dead(child: subprocess.Popen[bytes]) -> None:
    at_work, id_ = BusyProcesses(), child_id(child.pid)
    at_work.started(child.pid)
    ended(child)
    assert at_work.listed([child.pid]) == [id_], "the pool has it still"
    at_work.busy(child.pid)
    assert at_work.listed([]) == [id_]


def test_who_dies_without_work_is_not_missed(child: subprocess.Popen[bytes]) -> None:
    at_work = BusyProcesses()
    at_work.busy(child.pid)
    at_work.idle(child.pid)
    at_work.idle(child.pid)
    assert at_work.listed([]) == []


def test_who_is_born_with_the_number_of_a_dead_one_is_somebody_else(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = BusyProcesses()
    with monkeypatch.context() as earlier:
        earlier.setattr(busy_processes, "child_id", lambda pid: f"{pid}:1")
        at_work.started(child.pid)
    at_work.started(child.pid)
    assert at_work.listed([child.pid]) == [child_id(child.pid)]


def test_a_death_that_is_never_told_keeps_nobody_waiting(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = BusyProcesses()
    at_work.busy(child.pid)
    assert at_work.listed([]) != []
    monkeypatch.setattr(busy_processes, "REPORTED_WITHIN_S", 0.0)
    assert at_work.listed([]) == []
