"""This machine's stack in a separate folder, observed from outside."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import redis

from producer.machine import desired_state, stack
from producer.machine.desired_state import Desired
from shared.broker.runtime_paths import private_stack_dir, socket_path
from shared.ledger import heartbeats
from shared.ledger.heartbeats import Heartbeat
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.settings import PREFIX, Settings
from tests.support.processes import procfs
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import TEMP_DIR

#: Parts of a stack by a part of their command line. These always run.
PARTS = {"supervisor": "producer.machine.supervisor", "server": "new.sock", "worker": "worker.app"}
#: This one runs while a training is queued.
TRAINER = "trainer"
_NAMES = PARTS | {TRAINER: "worker.trainer"}


class Place:
    """A folder for one stack, and its processes."""

    def __init__(self, folder: Path, idle_s: float = 60) -> None:
        self.folder = folder
        self.settings = Settings(
            runtime_dir=str(folder),
            store=str(folder / "store"),
            heartbeat_s=0.2,
            heartbeat_ttl_s=4,
            round_s=0.5,
            stack_idle_s=idle_s,
            trainer_idle_s=1.0,
        )
        self._others = dict[int, bytes]()
        ours = self.processes()
        self._others = {pid: start for pid in _pids() if pid not in ours and (start := _start(pid))}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables with which a `hangtag` command uses this stack."""
        given = msgspec.structs.asdict(self.settings)
        return {PREFIX + name.upper(): str(value) for name, value in given.items() if value != ""}

    def processes(self) -> list[int]:
        """The living processes that were started for this folder.

        Of those that ran before it was made, and are many, no more than a start is read.
        """
        in_command = os.fsencode(self.folder) + b"/"
        in_environ = b"=" + os.fsencode(self.folder) + b"\0"
        return [
            pid
            for pid in _pids()
            if (pid not in self._others or self._others[pid] != _start(pid))
            and procfs.is_alive(pid)
            and (in_command in _read(pid, "cmdline") or in_environ in _read(pid, "environ"))
        ]

    def parents(self, part: str) -> list[int]:
        """The processes of one part, without the children of a worker, and without those that end
        meanwhile: a child that has gone has no parent."""
        pids = self.all_of(part)
        return [pid for pid in pids if (parent := _parent(pid)) and parent not in pids]

    def all_of(self, part: str) -> list[int]:
        """The processes of one part."""
        return [p for p in self.processes() if _NAMES[part].encode() in _read(p, "cmdline")]

    def the(self, part: str) -> int:
        """The one process of a part. Raises AssertionError if there is not exactly one."""
        (pid,) = self.parents(part)
        return pid

    def request_no_workers(self) -> None:
        """Let the next stack have workers only for a backlog. A worker's start takes 1 s of a core.

        `stack.down` withdraws it.
        """
        desired_state.save(private_stack_dir(self.settings), Desired(children=1, floor=0))

    def request_one_process(self) -> None:
        """Let the next stack have a worker of one process, instead of one per core."""
        desired_state.save(private_stack_dir(self.settings), Desired(children=1))

    def assert_one_of_each(self) -> None:
        """Check that each part has exactly one process."""
        assert {part: len(self.parents(part)) for part in PARTS} == dict.fromkeys(PARTS, 1)

    def client(self) -> redis.Redis:
        """A client that the stack counts as a producer."""
        path = str(socket_path(self.settings))
        return redis.Redis(unix_socket_path=path, client_name="hangtag-producer-test")

    def alive(self) -> list[Heartbeat]:
        """The heartbeats of live workers; none while there is no server."""
        try:
            with self.client() as client:
                return heartbeats.alive(client)
        except redis.ConnectionError:
            return []

    def children(self) -> int:
        """The number of children that the workers report."""
        return sum(len(beat.children) for beat in self.alive())

    def killed(self, part: str) -> int:
        """Kill a part as a crash would; return its pid."""
        pid = self.the(part)
        os.kill(pid, signal.SIGKILL)
        procfs.wait_for_end([pid])
        return pid

    def replaced(self, part: str, before: int) -> int:
        """Wait until another process has replaced a part; return its pid.

        Orphaned children of a killed process seem to be parents until they have ended, too; but
        they are not children of the supervisor.
        """

        def poll() -> set[int]:
            supervisors = self.parents("supervisor")
            return {p for p in self.parents(part) if p != before and _parent(p) in supervisors}

        return wait_for(f"a new {part}", poll).pop()


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _parent(pid: int) -> int:
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return int(fields[1]) if fields else 0


def _start(pid: int) -> bytes:
    """When a process started; nothing if there is none."""
    fields = _read(pid, "stat").rpartition(b")")[2].split()
    return fields[19] if fields else b""


def new(workers: bool = True) -> Iterator[Place]:
    """A folder without a stack; all processes that are started in it end afterwards.

    Without `workers` the first stack in it has some only for a backlog.
    """
    place = Place(Path(tempfile.mkdtemp(prefix="ht-", dir=TEMP_DIR)))
    if not workers:
        place.request_no_workers()
    yield place
    stack.down(place.settings)
    left = {pid: (procfs.state(pid), _read(pid, "cmdline")) for pid in place.processes()}
    for pid in left:
        procfs.kill(pid)
    shutil.rmtree(place.folder)
    assert not left, f"processes were left behind: {left}"


def with_versions(workers: bool = True) -> Iterator[Place]:
    """The same, with two versions of the model `mine` in its store."""
    for place in new(workers):
        card = msgspec.structs.replace(packaged.card(), name="mine", files={})
        for _ in range(2):
            Registry(place.settings.store_path).publish(card, {"model.tflite": b"model"})
        yield place
