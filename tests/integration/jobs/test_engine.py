"""The engine without a terminal: jobs in threads, with a real server and a worker."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.inputs.job_options import JobOptions
from producer.jobs.classify import Summary, classify
from producer.present.events import Event, Events, Found, Notice, Stage, Started, Stored
from producer.verify.verify import verify
from shared.errors import Exit, Stopped, UsageError
from shared.settings import Settings
from shared.stop import Stop
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.servers.redis_server import RedisServer

IMAGES = 200
#: A client waits 15 s for a reply: work that ends sooner did not wait.
SOON_S = 5.0


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


class Running:
    """A job in a thread of this process."""

    def __init__(
        self,
        fleet: Fleet,
        images: Gallery,
        output: Path,
        timeout_s: float | None = None,
        stop_at: type[Event] | None = None,
        fail_at: type[Event] | None = None,
        stopped: bool = False,
    ) -> None:
        """Stopped from the start, or at the first event of a kind; or its subscriber fails then."""
        self.events: list[Event] = []
        self.stop, self.output = Stop(), output
        self._stop_at, self._fail_at = stop_at, fail_at
        if stopped:
            self.stop.request()
        self.summary: Summary | None = None
        self.error: BaseException | None = None
        self._images, self._timeout_s = images, timeout_s
        self._settings = Settings.from_env(fleet.environment({}))
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        events = Events()
        events.subscribe(self._note)
        options = JobOptions((b"pictures",), os.fsencode(self._images.cwd), str(self.output))
        try:
            self.summary = classify(
                options,
                self._settings,
                timeout_s=self._timeout_s,
                events=events,
                stop=self.stop,
            )
        except BaseException as error:
            self.error = error

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if type(event) is self._stop_at:
            self.stop.request()
        if type(event) is self._fail_at:
            raise ZeroDivisionError

    def wait_for(self, kind: type[Event]) -> None:
        def poll() -> bool:
            assert self._thread.is_alive(), (self.error, self.events)
            return any(isinstance(event, kind) for event in self.events)

        wait_for(kind.__name__, poll)

    def join(self) -> None:
        self._thread.join()

    def ended(self) -> Summary:
        self.join()
        assert self.error is None, self.error
        assert self.summary is not None
        return self.summary

    def stopped(self) -> float:
        """Request the end; how long it took."""
        since = time.monotonic()
        self.stop.request()
        self._thread.join()
        return time.monotonic() - since


def frozen_in_a_wait(job: Running, server: RedisServer) -> None:
    """Suspend the server, and wait until the job waits for a reply."""
    job.wait_for(Stored)
    server.freeze()
    wait_for("a silent job", lambda: _silent(job))


def _silent(job: Running) -> bool:
    before = len(job.events)
    time.sleep(0.5)
    return len(job.events) == before


def producers(server: RedisServer) -> list[str]:
    """The connections of jobs."""
    return [c["name"] for c in server.client.client_list() if "producer" in c["name"]]


def test_a_job_in_a_thread_ends_at_a_request_while_the_server_is_silent(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    job = Running(fleet, images, tmp_path / "out.csv")
    frozen_in_a_wait(job, fleet.server)
    seconds = job.stopped()
    print(f"ended after {seconds:.3f} s")
    assert seconds < SOON_S
    assert job.ended().exit_code == Exit.INTERRUPTED
    assert not any(isinstance(e, Notice) and "unreachable" in e.text for e in job.events)
    fleet.server.thaw()
    assert wait_for("closed connections", lambda: not producers(fleet.server))
    fleet.worker()
    again = Running(fleet, images, job.output)
    assert again.ended().exit_code == Exit.OK
    assert job.output.read_bytes() == images.table


def test_two_jobs_at_once_in_one_process_are_complete_and_verified(
    fleet: Fleet, images: Gallery, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    jobs = [Running(fleet, images, tmp_path / name) for name in ("a.csv", "b.csv")]
    for job in jobs:
        job.wait_for(Started)
    assert {n: signal.getsignal(n) for n in handlers} == handlers
    fleet.worker()
    for job in jobs:
        assert job.ended().exit_code == Exit.OK
        assert job.output.read_bytes() == images.table
        assert verify(job.output, deep=True).proven
        assert {type(event) for event in job.events} >= {Started, Found, Stored, Stage}
    assert capfd.readouterr() == ("", "")
    assert producers(fleet.server) == []


def test_a_second_job_of_the_same_table_is_refused_in_one_process_too(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    first = Running(fleet, images, tmp_path / "out.csv")
    first.wait_for(Stored)
    second = Running(fleet, images, first.output)
    second.join()
    assert isinstance(second.error, UsageError)
    assert "is already running" in str(second.error)
    fleet.worker()
    assert first.ended().exit_code == Exit.OK
    assert verify(first.output).proven


def test_a_request_while_the_table_is_written_ends_that_and_the_job_can_be_resumed(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    fleet.worker()
    job = Running(fleet, images, tmp_path / "out.csv", stop_at=Stage)
    job.join()
    assert isinstance(job.error, Stopped)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv.hangtag"]
    again = Running(fleet, images, job.output)
    assert again.ended().classified == 0
    assert [e.done for e in job.events if isinstance(e, Started)] == [0]
    assert [e.done for e in again.events if isinstance(e, Started)] == [IMAGES]
    assert job.output.read_bytes() == images.table


@pytest.mark.parametrize("frozen", [False, True], ids=["listing", "connecting"])
def test_a_request_before_a_job_has_started_leaves_nothing(
    fleet: Fleet, images: Gallery, tmp_path: Path, frozen: bool
) -> None:
    if frozen:
        fleet.server.freeze()
    job = Running(fleet, images, tmp_path / "out.csv", stopped=not frozen)
    if frozen:
        time.sleep(0.3)
        assert job.stopped() < SOON_S
        fleet.server.thaw()
    job.join()
    assert isinstance(job.error, Stopped)
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_subscriber_ends_the_run_and_the_job_can_be_resumed(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    job = Running(fleet, images, tmp_path / "out.csv", fail_at=Stored)
    job.join()
    assert isinstance(job.error, ZeroDivisionError)
    fleet.worker()
    assert Running(fleet, images, job.output).ended().exit_code == Exit.OK


def test_one_of_two_jobs_is_stopped_and_the_other_continues(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    first, second = (Running(fleet, images, tmp_path / name) for name in ("a.csv", "b.csv"))
    for job in (first, second):
        job.wait_for(Stored)
    first.stopped()
    assert first.ended().exit_code == Exit.INTERRUPTED
    fleet.worker()
    assert second.ended().exit_code == Exit.OK
    assert not any(isinstance(e, Notice) and "unreachable" in e.text for e in second.events)


def test_a_time_limit_in_a_thread_ends_the_wait_for_a_silent_server(
    fleet: Fleet, images: Gallery, tmp_path: Path
) -> None:
    job = Running(fleet, images, tmp_path / "out.csv", timeout_s=2.0)
    frozen_in_a_wait(job, fleet.server)
    since = time.monotonic()
    assert job.ended().exit_code == Exit.INTERRUPTED
    assert time.monotonic() - since < SOON_S
    assert not job.stop.requested
    fleet.server.thaw()
