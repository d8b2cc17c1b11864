"""A copied process is like one that Python starts: its output, folder, exit code and signals."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from producer.stack import stack
from shared.errors import Exit
from tests.support.processes import copied_processes, local_stack, procfs
from tests.support.processes.fleet import Fleet, Producer, wait_for
from tests.support.servers.redis_server import RedisServer

#: They fail; the first one reads its folder, its environment and the server before.
COMMANDS = (("classify", "missing", "-o", "out.csv"), ("nonsense",))


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
    for program in (copied_processes.COMMAND, copied_processes.WORKER):
        assert copied_processes.suits(program, usual)
    assert not copied_processes.suits("worker.health", usual)
    for name in ("PYTHONPATH", "PYTHONUTF8", "LC_ALL", "LD_PRELOAD"):
        changed = {**usual, name: "/elsewhere"}
        assert not copied_processes.suits(copied_processes.COMMAND, changed)


class Displayed(NamedTuple):
    """What the kernel displays of a process."""

    command: list[str]
    settings: list[str]  #: with N for the process's own folder
    ignored_and_caught: list[str]
    files: set[str]  #: of that folder, of which the supervisor holds a lock
    leads_group: bool
    leads_session: bool

    @classmethod
    def of(cls, pid: int, folder: Path) -> Displayed:
        place = Path("/proc", str(pid))
        variables = (place / "environ").read_text().replace(str(folder), "N").split("\0")
        opened = map(os.readlink, (place / "fd").iterdir())
        status = (place / "status").read_text().splitlines()
        return cls(
            (place / "cmdline").read_text().rstrip("\0").split("\0"),
            sorted(one for one in variables if one.startswith(("HANGTAG_", "PYTHONPATH="))),
            [line for line in status if line.startswith(("SigIgn:", "SigCgt:"))],
            {path.replace(str(folder), "N") for path in opened if path.startswith(str(folder))},
            os.getpgid(pid) == pid,
            os.getsid(pid) == pid,
        )


def test_the_copies_of_a_stack_are_like_those_that_python_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = []
    for copied in (True, False):
        monkeypatch.setattr(copied_processes, "enabled", copied)
        for place in local_stack.new():
            stack.up(place.settings, 1)
            wait_for("a worker", place.alive)
            worker, supervisor = place.the("worker"), place.the("supervisor")
            assert worker in procfs.children(supervisor)
            found.append([Displayed.of(pid, place.folder) for pid in (worker, supervisor)])
    assert found[0] == found[1]
