"""One long request at a time in a trainer, and what is long."""

from __future__ import annotations

import os

import pytest

from producer.fleet import commands
from shared.messages.requests import Import, Prune
from shared.messages.training import Train
from worker.requests.long_work import LongWork, is_long


def test_one_process_at_a_time_has_the_long_work() -> None:
    """In processes, since the lock is a process' own."""
    lock = LongWork()
    assert lock.begin()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.busy and not lock.begin() else 1)
    assert os.waitpid(child, 0)[1] == 0
    lock.end()
    child = os.fork()
    if child == 0:
        os._exit(0 if lock.begin() else 1)  # ends with the lock
    assert os.waitpid(child, 0)[1] == 0
    assert not lock.busy


def test_trainings_and_imports_are_long_and_a_second_process_needs_a_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert is_long(Train("shoes", "fast"))
    assert is_long(Import("shoes", ("a", "b"), "0" * 64))
    assert not is_long(Prune("shoes", 3))
    for cores, children in ((1, "1"), (2, "2"), (64, "2")):
        monkeypatch.setattr(commands, "cores", lambda cores=cores: cores)
        line = commands.trainer_command()
        assert line[line.index("--concurrency") + 1] == children
