"""A test process of pytest-xdist that is a copy (fork) of one that has collected the tests.

It does what xdist.remote does with the process that xdist starts. execnet receives messages in
another thread, because pytest is in the middle of its session.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from queue import SimpleQueue
from typing import Any

import execnet
import pytest
from _pytest.tmpdir import TempPathFactory
from execnet import gateway_base
from xdist import remote

_channels: SimpleQueue[execnet.Channel | None] = SimpleQueue()
_ended = threading.Event()


def hand_over(channel: execnet.Channel) -> None:
    """Called in execnet's thread; the channel closes when this returns."""
    _channels.put(channel)
    _ended.wait()


def connect(reads: int, writes: int) -> threading.Thread:
    """Serve execnet, which expects a new Python, over these file descriptors."""
    model = gateway_base.get_execmodel("main_thread_only")
    io: Any = gateway_base.Popen2IO(os.fdopen(writes, "wb"), os.fdopen(reads, "rb"), model)
    io.infile.readline()  # of execnet's source, which is imported here
    io.write(b"1")

    def serve() -> None:
        gateway_base.serve(io, id=str(os.getpid()))
        _channels.put(None)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def run_tests(session: pytest.Session, failed: Sequence[pytest.CollectReport]) -> None:
    """Run those of the collected tests that the controller sends."""
    channel = _channels.get()
    if channel is None:
        return
    given, _, options, _ = channel.receive()
    _configure(session.config, given, options.get("basetemp"))
    interactor = remote.interactor = remote.WorkerInteractor(session.config, channel)
    interactor.pytest_sessionstart(session)
    interactor.pytest_collection()
    interactor.pytest_collection_modifyitems(session.config, session.items)
    for report in failed:
        interactor.pytest_collectreport(report)
    interactor.pytest_collection_finish(session)
    interactor.pytest_runtestloop(session)


def end(thread: threading.Thread) -> None:
    """The controller has everything that was sent before."""
    _ended.set()
    thread.join()


def _configure(config: Any, given: dict[str, Any], folder: str | None) -> None:
    """Have a number, a folder and files of captured output of its own."""
    os.environ["PYTEST_XDIST_TESTRUNUID"] = given["testrunuid"]
    os.environ["PYTEST_XDIST_WORKER"] = given["workerid"]
    os.environ["PYTEST_XDIST_WORKER_COUNT"] = str(given["workercount"])
    config.workerinput.update(given)
    config.option.basetemp = folder
    config._tmp_path_factory = TempPathFactory.from_config(config, _ispytest=True)
    capture = config.pluginmanager.getplugin("capturemanager")
    capture.stop_global_capturing()
    capture.start_global_capturing()
    capture.suspend_global_capture()
