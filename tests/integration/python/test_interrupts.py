"""Jobs of `import hangtag` that end too soon: Ctrl-C, a stop, a limit, failures, a kill."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hangtag
from producer.job.job_index import entries
from producer.job.snapshot import read_snapshot
from producer.table.verify import verify
from tests.support.images.gallery import Gallery
from tests.support.processes.fleet import SHORT_TIMES, Fleet, wait_for
from tests.support.processes.in_process import run
from tests.support.servers.redis_server import RedisServer

#: A client waits 15 s for a reply: work that ends sooner did not wait.
SOON_S = 5.0


@pytest.fixture
def running(server: RedisServer) -> Iterator[Fleet]:
    """A server for each test, without a worker: a job waits."""
    with Fleet(server, **SHORT_TIMES) as fleet:
        yield fleet


def at(kind: type[hangtag.Event], act: Callable[[], object]) -> Callable[[hangtag.Event], None]:
    """A subscriber that acts at the first event of a kind."""
    acted = list[object]()

    def report(event: hangtag.Event) -> None:
        if isinstance(event, kind) and not acted:
            acted.append(act())

    return report


def ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def jobs() -> list[str]:
    """The threads of jobs."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hangtag")]


@pytest.mark.parametrize("silent", [False, True], ids=["waiting", "silent"])
def test_ctrl_c_stops_the_job_soon_and_the_same_call_resumes_it(
    here: Path, running: Fleet, images: Gallery, silent: bool
) -> None:
    since = list[float]()

    def interrupt() -> None:
        def later() -> None:
            time.sleep(0.5)
            since.append(time.monotonic())
            ctrl_c()

        if silent:
            running.server.freeze()
        threading.Thread(target=later).start()

    with pytest.raises(KeyboardInterrupt) as caught:
        hangtag.classify("pictures/", output="out.csv", progress=at(hangtag.Stored, interrupt))
    seconds = time.monotonic() - since[0]
    print(f"ended after {seconds:.3f} s")
    assert seconds < SOON_S
    assert "the same call resumes it" in caught.value.__notes__[0]
    assert jobs() == []
    if silent:
        running.server.thaw()
    running.worker(concurrency=1)
    assert hangtag.classify("pictures/", output="out.csv").output.read_bytes() == images.table
    assert verify(here / "out.csv").proven


def test_an_interrupted_job_without_an_output_is_resumed_by_the_same_call(
    here: Path, running: Fleet
) -> None:
    def call(report: Callable[[hangtag.Event], None] | None = None) -> hangtag.Result:
        return hangtag.classify(["pictures/"], model="fashion-mnist", progress=report)

    with pytest.raises(KeyboardInterrupt):
        call(at(hangtag.Stored, ctrl_c))
    (job,) = entries()
    with pytest.raises(KeyboardInterrupt):
        call(at(hangtag.Stored, ctrl_c))
    running.worker(concurrency=1)
    with call() as result:
        assert result.job == job.id
        assert len(result) == 200
    assert os.listdir(here / "tmp") == []
    assert entries() == []
    with call() as other:
        assert other.job != job.id


def test_a_stop_from_another_thread_leaves_the_rows_so_far(here: Path, running: Fleet) -> None:
    running.worker(concurrency=1)
    stop = hangtag.Stop()
    some = at(hangtag.Stored, lambda: None)

    def report(event: hangtag.Event) -> None:
        some(event)
        if isinstance(event, hangtag.Stored) and event.done:
            threading.Thread(target=stop.request).start()
            time.sleep(0.05)

    with pytest.raises(hangtag.Unfinished, match="the same call resumes it") as caught:
        hangtag.classify("pictures/", stop=stop, progress=report)
    assert caught.value.why == "interrupted"
    result = caught.value.result
    assert result is not None
    assert not result.finished
    rows = list(result)
    assert 0 < len(rows) == len(result) < 200
    assert sum(result.counts.values()) == len(rows)
    assert "so far" in repr(result)


def test_the_same_call_starts_over_once_the_rows_so_far_are_closed(here: Path) -> None:
    def unfinished() -> hangtag.Result:
        with pytest.raises(hangtag.Unfinished) as caught:
            hangtag.classify("pictures/", model="fashion-mnist", timeout_s=0.5)
        assert caught.value.result is not None
        return caught.value.result

    closed = unfinished()
    closed.close()
    assert os.listdir(here / "tmp") == []
    again = unfinished()
    assert os.listdir(here / "tmp") == [again.output.parent.name]
    again.close()


@pytest.mark.parametrize("silent", [False, True], ids=["listing", "connecting"])
def test_a_stop_before_a_job_has_started_leaves_nothing(
    here: Path, running: Fleet, silent: bool
) -> None:
    stop = hangtag.Stop()
    if silent:
        running.server.freeze()
        threading.Timer(0.3, stop.request).start()
    else:
        stop.request()
    since = time.monotonic()
    with pytest.raises(hangtag.Unfinished) as caught:
        hangtag.classify("pictures/", output="out.csv", stop=stop)
    assert time.monotonic() - since < SOON_S
    assert caught.value.result is None
    assert sorted(os.listdir(here)) == ["pictures", "tmp"]
    if silent:
        running.server.thaw()


def test_a_second_job_of_the_same_table_is_refused_in_one_process_too(here: Path) -> None:
    def again() -> None:
        with pytest.raises(hangtag.UsageError, match="is already running"):
            hangtag.classify("pictures/", output="out.csv")
        stop.request()

    stop = hangtag.Stop()
    with pytest.raises(hangtag.Unfinished):
        hangtag.classify(
            "pictures/", output="out.csv", progress=at(hangtag.Stored, again), stop=stop
        )


def test_too_many_failures_end_the_job_and_name_the_argument(here: Path, running: Fleet) -> None:
    running.worker(concurrency=1)
    images: list[str | Path] = [
        *Path("pictures").rglob("*.png"),
        *(f"missing-{i}.png" for i in range(30)),
    ]
    with pytest.raises(hangtag.Unfinished, match="max_failures allows") as caught:
        hangtag.classify(images, max_failures=5, output="out.csv")
    assert caught.value.why == "budget"
    with hangtag.classify(images, max_failures="50%", output="out.csv") as result:
        assert result.failed == 30


def test_an_exception_of_the_callers_function_ends_the_job(here: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        hangtag.classify("pictures/", output="out.csv", progress=at(hangtag.Stored, lambda: 1 // 0))
    assert jobs() == []


def test_a_killed_process_leaves_a_folder_and_a_job_that_can_be_forgotten(
    here: Path, running: Fleet
) -> None:
    (here / "calls.py").write_text("import hangtag\nhangtag.classify('pictures/')\n")
    killed = running.producer(cwd=here, program=("calls",), TMPDIR=str(here / "tmp"))
    (job,) = wait_for("a job", entries)
    wait_for("its record", lambda: read_snapshot(Path(job.output)))
    killed.kill()
    (left,) = os.listdir(here / "tmp")
    assert left.startswith("hangtag-job-")
    assert Path(job.output).parent == here / "tmp" / left
    assert job.id in run(running, "status", cwd=here).out
    assert run(running, "forget", job.id, "--yes", cwd=here).code == 0
    assert entries() == []
