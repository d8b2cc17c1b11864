"""Work in a thread of its own, whose caller can be interrupted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hangtag.result import Scratch
from hangtag.running import run
from producer.present.events import Event, Events
from shared.settings import Settings
from shared.stop import Stop
from tests.support.processes.fleet import wait_for


def interrupt_after(ready: Callable[[], object]) -> None:
    """Press Ctrl-C once a condition holds. The signal ends no wait of the main thread: the system
    may deliver it to any thread, and before a wait begins."""

    def press() -> None:
        wait_for("its turn", ready)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    threading.Thread(target=press).start()


def until_stopped(events: Events, stop: Stop) -> int:
    while not stop.requested:
        time.sleep(0.005)
    return 1


def ignore(event: Event) -> None:
    """Nothing is displayed."""


def test_ctrl_c_stops_the_work_and_waits_for_its_end() -> None:
    handler = signal.getsignal(signal.SIGINT)
    begun, ended = threading.Event(), threading.Event()

    def work(events: Events, stop: Stop) -> None:
        begun.set()
        until_stopped(events, stop)
        time.sleep(0.1)
        ended.set()

    interrupt_after(begun.is_set)
    with pytest.raises(KeyboardInterrupt):
        run(work, ignore, Stop(), "work")
    assert ended.is_set()
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_does_not_wait_for_work_that_takes_long() -> None:
    begun, go_on, stop = threading.Event(), threading.Event(), Stop()

    def stubborn(events: Events, stop: Stop) -> None:
        begun.set()
        go_on.wait()

    interrupt_after(begun.is_set)
    interrupt_after(lambda: stop.requested)
    with pytest.raises(KeyboardInterrupt):
        run(stubborn, ignore, stop, "stubborn")
    assert not go_on.is_set()
    (left,) = [thread for thread in threading.enumerate() if thread.name == "stubborn"]
    assert left.daemon
    go_on.set()
    left.join()


def test_a_temporary_folder_is_removed_by_its_own_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = Scratch("t.csv", Settings())
    if not (child := os.fork()):
        folder.remove()
        os._exit(0)
    os.waitpid(child, 0)
    assert folder.table.parent.is_dir()
    folder.remove()
    assert list(tmp_path.iterdir()) == []
    assert not folder.is_there
