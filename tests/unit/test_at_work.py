"""A child that died with a hint in hand is listed until its death is counted, and no longer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.process import child_id
from worker import at_work
from worker.at_work import AtWork


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        yield child
        child.kill()


def test_who_dies_at_work_is_known_by_its_id_until_it_is_counted(
    child: subprocess.Popen[bytes],
) -> None:
    atwork, id_ = AtWork(), child_id(child.pid)
    atwork.took(child.pid)
    assert atwork.lost([child.pid]) == []
    child.kill()
    child.wait()
    assert atwork.lost([]) == [id_]
    assert atwork.lost([1]) == [id_]
    atwork.rests(child.pid)
    assert atwork.lost([]) == []


def test_who_dies_without_work_is_not_missed(child: subprocess.Popen[bytes]) -> None:
    atwork = AtWork()
    atwork.took(child.pid)
    atwork.rests(child.pid)
    atwork.rests(child.pid)
    assert atwork.lost([]) == []


def test_a_death_that_is_never_told_keeps_nobody_waiting(
    child: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    atwork = AtWork()
    atwork.took(child.pid)
    assert atwork.lost([]) != []
    monkeypatch.setattr(at_work, "TOLD_WITHIN_S", 0.0)
    assert atwork.lost([]) == []
