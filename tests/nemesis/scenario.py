"""All targets of faults in one round."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import redis

from shared.registry import mirror_writer
from tests.nemesis import jobs
from tests.nemesis.disk import Disk
from tests.nemesis.fixtures import School
from tests.nemesis.history import History
from tests.nemesis.jobs import Command
from tests.nemesis.link import Cables, Pair
from tests.nemesis.plan import Plan
from tests.nemesis.results import Results
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, Worker
from tests.support.servers.redis_server import RedisServer, server_binaries

WORKER_APP = "tests.nemesis.worker_app"
TRAINER_APP = "worker.trainer"
EPOCHS = 6
TIMES = {
    **SHORT_TIMES,
    "HANGTAG_ROUND_S": "0.5",
}


#: Of the nemesis' own client: a server that it has frozen must not block it.
TIMEOUT_S = 1.0


class Possible(NamedTuple):
    """The faults that this machine supports."""

    disk: bool
    links: bool


class Slot:
    """A place for a worker: a killed worker is replaced here, behind the same link."""

    def __init__(self, name: str, start: Callable[[], Worker], pair: Pair | None) -> None:
        self.name, self._start, self.pair = name, start, pair
        self.worker = self._launch()
        self.past: list[Worker] = []

    def replace(self) -> None:
        """Start a new worker without waiting for it."""
        self.past.append(self.worker)
        self.worker = self._launch()

    def _launch(self) -> Worker:
        with self.pair.inside() if self.pair else nullcontext():
            return self._start()


class Scene:
    """Use as a context manager, which starts all processes and ends them."""

    def __init__(
        self, plan: Plan, school: School, possible: Possible, folder: Path, history: History
    ) -> None:
        self.plan, self.school, self.history = plan, school, history
        self._possible, self._folder = possible, folder
        self.results = Results(folder / "results")
        self._stack = ExitStack()
        self.disk: Disk | None = None
        self.cables: Cables | None = None
        self.ending: list[Worker] = []  #: workers that got SIGTERM

    def __enter__(self) -> Scene:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with (self._folder / "stories.txt").open("w") as file, redirect_stdout(file):
            self._stack.close()

    @property
    def client(self) -> redis.Redis:
        """A client without retries. Raises RedisError if the server is unreachable or frozen."""
        return self._client

    @property
    def slots(self) -> list[Slot]:
        """Every worker's place, the trainer's last."""
        return [*self.workers, self.trainer]

    @property
    def commands(self) -> list[Command]:
        """The commands that are repeated until they are done."""
        return [self.job, *([self.training] if self.training else [])]

    @property
    def done(self) -> bool:
        """Whether all commands are done."""
        return all(command.done for command in self.commands)

    @property
    def model(self) -> str:
        """The name of the model of the round's training."""
        return f"round-{self.plan.round}"

    def _start(self, stack: ExitStack) -> None:
        output = self._folder / "output"
        output.mkdir()
        if self._possible.disk:
            self.disk = stack.enter_context(Disk(output))
        self.server = stack.enter_context(self._server(stack))
        self._client = redis.Redis.from_url(
            self.server.url, retry=None, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        )
        stack.callback(self._client.close)
        folders = {f"XDG_{n}_HOME": str(self._folder) for n in ("STATE", "DATA")}
        store = {"HANGTAG_STORE": str(self.school.store)}
        self.fleet = stack.enter_context(Fleet(self.server, **TIMES, **folders, **store))
        mirror_writer.publish(self.client, self.school.registry)
        self._start_workers()
        listed = self._folder / "listed.txt"
        self.paths = jobs.listed(self.plan, self.school, listed)
        self.output = output / "out.csv"
        pair = self._pair()
        self.producer_pair = pair
        self.job = Command("classify", lambda: self._classify(listed, pair), self.history)
        self.training = (
            Command("train", lambda: self._train(pair), self.history)
            if self.plan.training
            else None
        )

    def _server(self, stack: ExitStack) -> RedisServer:
        binary = server_binaries()[self.plan.round % len(server_binaries())]
        if not (self.plan.network and self._possible.links):
            return RedisServer(binary)
        self.cables = stack.enter_context(Cables())
        return _Reachable(binary, self.cables.address)

    def _start_workers(self) -> None:
        def classify() -> Worker:
            return self.fleet.worker(
                self.plan.children, WORKER_APP, ready=False, **self.results.settings
            )

        def train() -> Worker:
            return self.fleet.worker(1, TRAINER_APP, ready=False)

        self.workers = [
            Slot(f"worker {n}", classify, self._pair()) for n in range(self.plan.workers)
        ]
        self.trainer = Slot("trainer", train, self._pair())
        for slot in self.slots:
            self.fleet.wait_ready(slot.worker)

    def _pair(self) -> Pair | None:
        return self.cables.pair() if self.cables else None

    def _classify(self, listed: Path, pair: Pair | None) -> Producer:
        size = {"HANGTAG_BATCH_IMAGES": str(self.plan.batch_images)}
        arguments = ("classify", "--list", str(listed), "-o", str(self.output))
        with pair.inside() if pair else nullcontext():
            return self.fleet.producer(
                *arguments, "--model", self.school.model, cwd=self.school.cwd, **size
            )

    def _train(self, pair: Pair | None) -> Producer:
        arguments = (
            *("train", "--name", self.model, "--data", str(self.school.data)),
            *("--recipe", "tutorial", "--epochs", str(EPOCHS), "--promote", "always"),
            *("--request-id", self.model, "--json"),
        )
        with pair.inside() if pair else nullcontext():
            return self.fleet.producer(*arguments, cwd=self.school.cwd)


class _Reachable(RedisServer):
    """A server on an address, with a password."""

    def __init__(self, binary: Path, address: str) -> None:
        port, password = _free_port(address), secrets.token_hex(16)
        super().__init__(
            binary,
            *("--port", str(port), "--bind", address, "--requirepass", password),
        )
        self.url = f"redis://:{password}@{address}:{port}"


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
