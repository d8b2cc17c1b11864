"""Real workers and producers for tests: processes that can be watched, stopped and killed."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import ClassVar, TypeVar

import redis

from producer.job.snapshot import JobView, read_snapshot
from shared.ledger import heartbeats
from tests.support.processes import copied_processes, leftover_processes, procfs
from tests.support.processes.copied_processes import CopiedProcess
from tests.support.servers.redis_server import TEMP_DIR, RedisServer

T = TypeVar("T")
#: Returns the prefix of a command that runs it on another host, in this folder.
Prefix = Callable[[Path], list[str]]
ROOT = Path(__file__).parents[3]
PRODUCT_APP = "worker.app"
#: Returns the arguments of Python that run an application with this many children.
Launch = Callable[[str, int], list[str]]
PRODUCT_PROGRAM = ("producer.cli",)
POISON_APP = "tests.faults.apps.poison_worker"
DEADLY_APP = "tests.faults.apps.deadly_worker"
SLOW_APP = "tests.faults.apps.slow_worker"
#: Small, so that a job of a few thousand images has many messages.
BATCH_IMAGES = 16
#: Short times for quick tests. The defaults are in shared/settings.py.
SHORT_TIMES = {
    "HANGTAG_HEARTBEAT_S": "0.5",
    "HANGTAG_HEARTBEAT_TTL_S": "2",
    "HANGTAG_ORPHAN_S": "2",
}
#: Far more than any wait takes on a busy machine; a longer wait means a hang.
PATIENCE_S = 120.0
#: As in the product: `python -m` would import a file of the current folder in place of a module.
_CWD = Path("/")
_POLL_S = 0.01
#: Reading all of /proc takes 7 ms, starting a command 200 ms; polls get a tenth of a core.
_PAUSE_PER_POLL = 9.0
_PAUSE_MAX_S = 0.25
_TAIL_CHARS = 3000


def wait_for(
    what: str, poll: Callable[[], T | None], timeout_s: float = PATIENCE_S, poll_s: float = _POLL_S
) -> T:
    """The first true result of `poll`. Raises AssertionError on a timeout."""
    deadline = time.monotonic() + timeout_s
    before = _used_s()
    while not (found := poll()):
        assert time.monotonic() < deadline, f"{what} did not come within {timeout_s:.0f} s"
        cost_s = _used_s() - before
        time.sleep(max(poll_s, min(_PAUSE_PER_POLL * cost_s, _PAUSE_MAX_S)))
        before = _used_s()
    return found


def _used_s() -> float:
    """The processor time of this thread, and of the child processes that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.thread_time() + ended.ru_utime + ended.ru_stime


class Process:
    """One process of a fleet. Its standard output and standard error go to files."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        env: dict[str, str],
        files: Path,
        stdin: str | None = None,
    ) -> None:
        files.mkdir()
        self._out, self._log = files / "out", files / "log"
        self._in = Path(os.devnull) if stdin is None else files / "in"
        if stdin is not None:
            self._in.write_bytes(os.fsencode(stdin))
        self._command = command
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self._popen = self._started(cwd, env, out.fileno(), log.fileno())

    def _started(
        self, cwd: Path, env: dict[str, str], out: int, log: int
    ) -> subprocess.Popen[bytes] | CopiedProcess:
        *python, program = self._command[:3]
        is_fed = self._in != Path(os.devnull)
        suits = python == [sys.executable, "-m"] and copied_processes.suits(program, env)
        if suits and not is_fed:
            arguments = self._command[3:]
            return copied_processes.start(program, arguments, cwd, env, out, log)
        with self._in.open("rb") as given:
            return subprocess.Popen(
                self._command, cwd=cwd, env=env, stdin=given, stdout=out, stderr=log
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._popen.poll() is None

    @property
    def out(self) -> str:
        """Its standard output so far."""
        return self._out.read_text(errors="replace")

    @property
    def log(self) -> str:
        """Its standard error so far."""
        return self._log.read_text(errors="replace")

    @property
    def story(self) -> str:
        """Its command and the end of its output, for the message of a failed assertion."""
        tail = (self.out + self.log)[-_TAIL_CHARS:]
        return f"--- {self.pid}: {' '.join(self._command[1:])} -> {self._popen.poll()}\n{tail}"

    def wait_for_log(self, text: str) -> None:
        """Wait until its standard error contains this text."""

        def poll() -> bool:
            assert text in self.log or self.running, f"it did not log {text!r}\n{self.story}"
            return text in self.log

        wait_for(repr(text), poll)

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self._popen.kill()
        self._popen.wait()

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end within {timeout_s:.0f} s\n{self.story}") from None


def as_product(app: str, concurrency: int, *options: str) -> list[str]:
    """As the product starts workers, with a log that reports that they are ready."""
    arguments = [app, "--concurrency", str(concurrency), "--loglevel", "INFO"]
    return ["-m", "worker.serve", *arguments, *options]


def as_celery(app: str, concurrency: int) -> list[str]:
    """As people start workers of Celery; ready a second later."""
    return ["-m", "celery", "-A", app, "worker", "-c", str(concurrency)]


class Worker(Process):
    """A worker parent and its pool."""

    def __init__(
        self,
        app: str,
        concurrency: int,
        launch: Launch,
        env: dict[str, str],
        files: Path,
        prefix: Sequence[str] = (),
    ) -> None:
        arguments = launch(app, concurrency)
        super().__init__([*prefix, sys.executable, *arguments], _CWD, env, files)
        self.concurrency = concurrency

    @property
    def children(self) -> list[int]:
        """The pids of the pool's processes at this moment."""
        return procfs.children(self.pid)

    def kill(self) -> None:
        """End the parent as a crash would; the system ends its children with it."""
        children = self.children
        super().kill()
        procfs.wait_for_end(children)

    def end(self) -> int:
        """End it gracefully; return the exit code."""
        children = self.children
        self.signal(signal.SIGTERM)
        code = self.wait()
        procfs.wait_for_end(children)
        return code

    def sleep(self) -> None:
        """Stop parent and children, like a suspended machine."""
        for pid in (self.pid, *self.children):
            procfs.stop(pid)

    def wake(self) -> None:
        """Continue after `sleep`."""
        for pid in (*self.children, self.pid):
            procfs.go_on(pid)


class Producer(Process):
    """A `hangtag` command."""

    def __init__(
        self,
        arguments: Sequence[str],
        cwd: Path,
        env: dict[str, str],
        files: Path,
        program: Sequence[str],
        prefix: Sequence[str] = (),
        stdin: str | None = None,
    ) -> None:
        command = [*prefix, sys.executable, "-m", *program, *arguments]
        super().__init__(command, cwd, env, files, stdin)
        if "-o" in arguments:
            self.output = Path(cwd, arguments[arguments.index("-o") + 1])

    @property
    def view(self) -> JobView | None:
        """The state of its job, from the journal."""
        return read_snapshot(self.output)

    @property
    def done(self) -> int:
        """The number of images with a result."""
        view = self.view
        assert view is not None
        return view.done

    def wait_until_sent(self, images: int = 1) -> None:
        """Wait until messages of its job with this number of images have been sent."""

        def poll() -> bool:
            assert self.running, f"it ended too soon\n{self.story}"
            view = self.view
            return view is not None and view.images >= images

        wait_for("the first message", poll)

    def wait_until_done(self, images: int) -> JobView:
        """Wait until this number of images has a result; fail if it ends before."""

        def poll() -> JobView | None:
            assert self.running, f"it ended too soon\n{self.story}"
            view = self.view
            return view if view is not None and view.done >= images else None

        return wait_for(f"the {images}th image", poll, poll_s=0.003)

    def interrupt(self) -> int:
        """Send SIGINT, like Ctrl-C; return the exit code."""
        self.signal(signal.SIGINT)
        return self.wait()


_RUNTIME_DIR = "HANGTAG_RUNTIME_DIR"


class Fleet:
    """The processes of one test on one server. Leaving the `with` block ends them all."""

    #: Whether only workers may run then; see tests/support/processes/leftover_processes.py.
    leaves_nothing: ClassVar[bool] = False
    #: First on the PYTHONPATH of its processes: this checkout, or an installation of
    #: tests/support/processes/light_installation.py.
    installation: ClassVar[Path] = ROOT
    #: The default application of its workers.
    app: ClassVar[str] = PRODUCT_APP

    def __init__(self, server: RedisServer, **settings: str) -> None:
        self.server = server
        self._files = Path(tempfile.mkdtemp(prefix="ht-fleet-", dir=TEMP_DIR))
        self._settings = {
            "HANGTAG_REDIS_URL": server.url,
            # That of the test, where there is one: a health check finds its workers there.
            _RUNTIME_DIR: os.environ.get(_RUNTIME_DIR, str(self._files / "run")),
            "HANGTAG_BATCH_IMAGES": str(BATCH_IMAGES),
            **settings,
        }
        self.processes: list[Process] = []
        self._prefix: Prefix = lambda cwd: []
        self._host_settings: dict[str, str] = {}

    def __enter__(self) -> Fleet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for process in self.processes:
            print(process.story)  # pytest displays it if a test fails
        try:
            if self.leaves_nothing and kind is None:
                leftover_processes.check(self)
        finally:
            self.close()

    @property
    def client(self) -> redis.Redis:
        """A client of the server for the test."""
        return self.server.client

    @property
    def commands(self) -> list[Producer]:
        """Every `hangtag` command so far."""
        return [process for process in self.processes if isinstance(process, Producer)]

    @property
    def pids(self) -> list[int]:
        """Every living process of this fleet, found by the server's URL in its environment."""
        return procfs.with_variable("HANGTAG_REDIS_URL", self.server.url)

    def worker(
        self, concurrency: int = 2, app: str = "", ready: bool = True, **settings: str
    ) -> Worker:
        """A new worker; waits until it is ready, unless `ready` is false."""
        return self.launched(as_product, concurrency, app, ready, **settings)

    def launched(
        self,
        launch: Launch,
        concurrency: int = 2,
        app: str = "",
        ready: bool = True,
        **settings: str,
    ) -> Worker:
        """A new worker, started in this way."""
        worker = Worker(
            app or self.app,
            concurrency,
            launch,
            self.environment(settings),
            self._new_files(),
            self._prefix(_CWD),
        )
        self.processes.append(worker)
        if ready:
            self.wait_ready(worker)
        return worker

    @contextmanager
    def at(self, prefix: Prefix, settings: dict[str, str]) -> Iterator[None]:
        """Run processes that are started in the block with a prefix and with these settings."""
        before = self._prefix, self._host_settings
        self._prefix, self._host_settings = prefix, settings
        try:
            yield
        finally:
            self._prefix, self._host_settings = before

    def wait_ready(self, worker: Worker) -> None:
        """Wait until the heartbeat of a worker lists all its children."""

        def poll() -> bool:
            assert worker.running, worker.story
            beats = [b for b in heartbeats.alive(self.client) if b.pid == worker.pid]
            return any(len(beat.children) == worker.concurrency for beat in beats)

        wait_for(f"the heartbeat of {worker.pid}", poll)

    def producer(
        self,
        *arguments: str,
        cwd: Path,
        program: Sequence[str] = PRODUCT_PROGRAM,
        stdin: str | None = None,
        **settings: str,
    ) -> Producer:
        """A new `hangtag` command in the folder `cwd`."""
        env, files = self.environment(settings), self._new_files()
        producer = Producer(arguments, cwd, env, files, program, self._prefix(cwd), stdin)
        self.processes.append(producer)
        return producer

    def close(self) -> None:
        """Kill all processes."""
        for process in self.processes:
            process.kill()
        for pid in self.pids:
            procfs.kill(pid)
        procfs.wait_for_end(self.pids)
        shutil.rmtree(self._files)

    def environment(self, settings: dict[str, str]) -> dict[str, str]:
        """That of a process with these settings besides the fleet's."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("HANGTAG_")}
        inherited["PYTHONPATH"] = os.pathsep.join(
            [str(self.installation), os.environ.get("PYTHONPATH", "")]
        )
        return {**inherited, **self._settings, **self._host_settings, **settings}

    def _new_files(self) -> Path:
        return self._files / str(len(self.processes))
