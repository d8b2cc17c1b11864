"""A copied process is like one that Python starts: its output, folder, exit code and signals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.stack import stack
from shared.broker.runtime_paths import log_path
from shared.errors import Exit
from tests.support.processes import copied_processes, local_stack, procfs
from tests.support.processes.fleet import Fleet, Producer, wait_for
from tests.support.processes.local_stack import Place
from tests.support.servers.redis_server import RedisServer

#: They fail; the first one reads its folder, its environment and the server before.
COMMANDS = (("classify", "missing", "-o", "out.csv"), ("nonsense",))
STATUS: tuple[str, ...] = ("Umask:", "SigBlk:", "SigIgn:", "SigCgt:")
#: Threads of OpenBLAS do not outlive a fork; there are none of them with its default in tests.
if os.environ.get("OPENBLAS_NUM_THREADS", "1") == "1":
    STATUS += ("Threads:",)


def started(fleet: Fleet, cwd: Path, copied: bool, *arguments: str) -> Producer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copied_processes, "enabled", copied)
        return fleet.producer(*arguments, cwd=cwd)


def is_copy(command: Producer) -> bool:
    return isinstance(command._popen, copied_processes.CopiedProcess)


def test_it_prints_and_returns_the_same(server: RedisServer, tmp_path: Path) -> None:
    with Fleet(server) as fleet:
        cwd = tmp_path / os.fsdecode(b"\xff")
        cwd.mkdir()
        for words in COMMANDS:
            copy, other = (started(fleet, cwd, copied, *words) for copied in (True, False))
            assert (is_copy(copy), is_copy(other)) == (True, False)
            assert copy.wait() == other.wait(), copy.story
            assert (copy.out, copy.log) == (other.out, other.log)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_it_ends_by_a_signal(
    server: RedisServer, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with Fleet(server) as fleet:
        command = started(fleet, tmp_path, True, "train", "--data", "fashion-mnist")
        command.wait_for_log("no trainer is alive")
        assert command.running
        command.signal(number)
        assert command.wait() == code, command.story
        assert not command.running


def test_other_variables_of_python_need_another_interpreter() -> None:
    usual = {**os.environ, "PYTHONPATH": str(copied_processes.ROOT)}
    for program in (copied_processes.COMMAND, copied_processes.WORKER, copied_processes.SUPERVISOR):
        assert copied_processes.suits(program, usual)
    assert not copied_processes.suits("worker.health", usual)
    for name in ("PYTHONPATH", "PYTHONUTF8", "LC_ALL", "LD_PRELOAD", "GUARDS_MUTANT"):
        changed = {**usual, name: "/elsewhere"}
        assert not copied_processes.suits(copied_processes.COMMAND, changed)


#: A run of its own, two of whose processes start a command.
RUN = """
import os
from pathlib import Path
from tests.support.processes import copied_processes
copied_processes.share()
for _ in range(2):
    copied_processes._sources.clear()
    copied_processes.start(copied_processes.COMMAND, ["-V"], Path("/"), os.environ, 2, 2).wait()
print(*(source.pid for source in copied_processes._started))
"""


def test_processes_of_a_run_share_a_source_which_ends_with_it() -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TESTS_RUN"}
    environment["PYTHONPATH"] = str(copied_processes.ROOT)
    command = [sys.executable, "-c", RUN]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    (source,) = run.stdout.split()
    procfs.wait_for_end([int(source)])


class Displayed(NamedTuple):
    """What the kernel displays of a process."""

    command: str
    variables: list[str]
    status: list[str]  #: its umask, its signals and its threads
    files: set[str]  #: sockets are left out, whose number depends on the time
    limits: str
    leads_group: bool
    in_our_session: bool

    @classmethod
    def of(cls, pid: int, folder: Path) -> Displayed:
        place = Path("/proc", str(pid))

        def read(name: str) -> str:
            return (place / name).read_text().replace(str(folder), "N").rstrip("\0")

        links = [os.readlink(path) for path in (*(place / "fd").iterdir(), place / "cwd")]
        files = {re.sub(r":\[.*|/hangtag-tmp-.*", "", link) for link in links} - {"socket"}
        return cls(
            read("cmdline"),
            sorted(read("environ").split("\0")),
            [line for line in read("status").splitlines() if line.startswith(STATUS)],
            {path.replace(str(folder), "N") for path in files},
            read("limits"),
            os.getpgid(pid) == pid,
            os.getsid(pid) == os.getsid(0),
        )


#: The id of a process of a stack, and the stack's folder.
Part = tuple[int, Path]
EQUAL_S = 10.0


def settled(copy: Part, original: Part) -> tuple[Displayed, Displayed]:
    """What the kernel displays of both, as soon as it is equal: a thread or a descriptor of one of
    them may exist for a moment."""
    deadline = time.monotonic() + EQUAL_S
    while True:
        displayed = Displayed.of(*copy), Displayed.of(*original)
        if displayed[0] == displayed[1] or time.monotonic() > deadline:
            return displayed
        time.sleep(0.05)


def wait_until_ready(place: Place) -> None:
    """Wait for the line that the worker logs when all of it has started."""
    log = log_path(place.settings)
    wait_for("a worker", lambda: "serves the queue" in log.read_text())


@pytest.fixture
def copied() -> Iterator[Place]:
    yield from local_stack.new()


@pytest.fixture
def started_by_python() -> Iterator[Place]:
    yield from local_stack.new()


def test_the_copies_of_a_stack_are_like_those_that_python_starts(
    copied: Place, started_by_python: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    for place in (copied, started_by_python):
        monkeypatch.setattr(copied_processes, "enabled", place is copied)
        stack.up(place.settings, 1)
        wait_until_ready(place)
        (beat,) = wait_for("its heartbeat", place.alive)
        child, _, _ = beat.children[0].partition(":")
        of_parts = place.the("supervisor"), place.the("worker"), int(child)
        assert of_parts[1] in procfs.children(of_parts[0])
        started.append([(pid, place.folder) for pid in of_parts])
    for copy, original in zip(*started, strict=True):
        displayed = settled(copy, original)
        assert displayed[0] == displayed[1]
