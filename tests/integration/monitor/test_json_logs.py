"""With --log-json, and HANGTAG_LOG_JSON=1, every line of a process is one JSON object."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from producer.machine import stack
from shared import keys
from shared.broker.celery_app import make_app, send_hint
from shared.broker.message_filter import CLASSIFY_TASK
from shared.broker.runtime_paths import log_path
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.jobs.hostile_messages import NO_JOB as JOB
from tests.support.processes import copied_processes, in_process, local_stack
from tests.support.processes.fleet import ROOT, Fleet, Process, as_celery, wait_for
from tests.support.processes.local_stack import Place
from tests.support.servers.redis_server import RedisServer

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JSON = {"HANGTAG_LOG_JSON": "1"}
#: Python 3.12 and later warn of a fork of a process with threads.
OF_FORKS = "ignore::DeprecationWarning"


@pytest.fixture
def fleet(server: RedisServer) -> Iterator[Fleet]:
    with Fleet(server) as fleet:
        yield fleet


def lines(process: Process) -> list[dict[str, Any]]:
    """The lines of its standard error, each one object."""
    found = [json.loads(line) for line in process.log.splitlines()]
    for line in found:
        assert list(line)[:4] == ["time", "level", "logger", "message"]
        assert TIME.fullmatch(line["time"])
    return found


def check_error(fleet: Fleet, worker: Process) -> None:
    """Send a hint that fails, and wait for its line, with what it is about."""
    fleet.client.set(keys.job(JOB, "record"), "of another type")
    fleet.client.zadd(keys.JOBS, {JOB: 1.0})
    send_hint(make_app(fleet.server.url, "test"), CLASSIFY_TASK, keys.CLASSIFY_QUEUE, JOB, 7)
    about = wait_for("its error", lambda: [line for line in lines(worker) if "job" in line])
    assert {(line["job"], line["batch"], line["level"]) for line in about} == {(JOB, 7, "ERROR")}


def test_a_worker_logs_objects_with_the_job_they_are_about(fleet: Fleet, tmp_path: Path) -> None:
    """Also what Celery logs of an outage, and of a child."""
    worker = fleet.producer("worker", "--log-json", "--concurrency", "1", cwd=tmp_path)
    wait_for("the worker", lambda: worker.log.count("\n"))
    check_error(fleet, worker)
    fleet.server.kill()
    wait_for("the outage", lambda: "Traceback" in worker.log or "onnection" in worker.log)
    worker.signal(signal.SIGTERM)
    worker.wait()
    assert worker.out == ""
    ready, *later = lines(worker)
    assert not [line for line in later if line["logger"] == "py.warnings"]
    assert (ready["level"], ready["logger"]) == ("INFO", "worker.serve")
    assert "serves the queue classify of" in ready["message"]


def test_a_worker_that_celerys_command_starts_prints_objects_alone(
    fleet: Fleet, tmp_path: Path
) -> None:
    """No banner, no word on its end, and no remarks of libraries."""
    images = gallery.make(tmp_path, 2)
    worker = fleet.launched(as_celery, HANGTAG_LOG_JSON="1")
    job = in_process.run(fleet, "classify", FOLDER, "-o", str(tmp_path / "t.csv"), cwd=images.cwd)
    assert job.code == Exit.OK, job.story
    check_error(fleet, worker)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.story
    assert (worker.out, {line["level"] for line in lines(worker)}) == ("", {"ERROR"})


@pytest.mark.parametrize("queue", ["classify", "train"])
def test_a_worker_that_may_not_start_ends_with_one_object(
    fleet: Fleet, tmp_path: Path, queue: str
) -> None:
    fleet.client.config_set("requirepass", "secret")
    worker = fleet.producer("worker", "--queue", queue, cwd=tmp_path, **JSON)
    assert worker.wait() == Exit.SETUP
    (line,) = lines(worker)
    assert line["level"] == "CRITICAL"


@pytest.mark.parametrize("log_json", ["", "1"])
def test_remarks_of_libraries_in_c_are_dropped_and_other_lines_are_logged(
    log_json: str,
) -> None:
    """Also of a child that is about to die; its last lines are read by its parent."""
    program = """if True:
        import os, sys
        from worker.lifecycle import worker_log
        reader = worker_log.divert()
        print("of python", file=sys.stderr)
        if not os.fork():
            os.write(2, b"I0000 00:00:1795937262.033768   26626 port.cc:153] oneDNN\\n")
            os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\n")
            os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called\\n")
            os.write(2, b"E0 bad\\n")
            os.abort()
        os.wait()
        worker_log.restore(reader)
        os.write(2, b"at the end\\n")
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HANGTAG_LOG_JSON": log_json}
    env["PYTHONWARNINGS"] = OF_FORKS
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    first, second, third = done.stderr.splitlines()
    assert (first, third) == ("of python", "at the end")
    assert (json.loads(second)["message"] if log_json else second) == "E0 bad"


@pytest.fixture
def place() -> Iterator[Place]:
    """A stack that logs JSON."""
    for place in local_stack.new():
        place.settings = msgspec.structs.replace(place.settings, log_json="1")
        yield place


def test_each_line_of_a_stack_is_an_object_also_of_its_server(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANGTAG_LOG_JSON", "1")
    # From Python 3.12 on the supervisor of a copied stack prints a warning of its forks.
    monkeypatch.setattr(copied_processes, "enabled", sys.version_info < (3, 12))
    stack.ensure(place.settings)
    wait_for("the worker", place.alive)
    server, worker = place.the("server"), place.killed("worker")
    place.replaced("worker", worker)
    os.kill(server, signal.SIGTERM)
    place.replaced("server", server)
    stack.down(place.settings)
    logged = [json.loads(line) for line in log_path(place.settings).read_text().splitlines()]
    assert all(TIME.fullmatch(line["time"]) and line["level"] for line in logged)
    of_server = [line for line in logged if line.get("process") == server]
    assert {(line["level"], line["logger"]) for line in of_server} == {("WARNING", "server")}
    assert any(f"worker {worker} ended with code" in line["message"] for line in logged)
