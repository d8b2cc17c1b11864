"""The disk of Redis is full, at the start of a job and in its middle."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import wait_for
from tests.support.servers.redis_server import RedisServer

IMAGES = 800
DISK_BYTES = 4 << 20
#: With `always` a server that cannot write exits, which is an outage.
APPEND = ("--appendonly", "yes", "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0")
STILL_S = 2.0
FULL = "Redis' disk is full; waiting until there is room"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("gallery"), IMAGES)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The folder of a small disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    if os.getuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def server(server: RedisServer, disk: Path) -> Iterator[RedisServer]:
    """The same server, with append-only files on the small disk."""
    server.close()
    with RedisServer(server.binary, *APPEND, "--dir", str(disk)) as running:
        yield running


def test_a_full_disk_of_the_server_pauses_the_job_and_ends_no_process(
    stage: Scenario, disk: Path
) -> None:
    worker = stage.fleet.worker()
    children = worker.children
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    filler = fill(disk)
    # Otherwise the held child's result can be the first write that fails, unnoticed by the child.
    wait_for("a server that cannot write", lambda: not writes(stage.fleet.server))
    stage.let_go(held)
    producer.wait_for_log(FULL)
    wait_for("a refused child", lambda: "a result waits: MISCONF" in worker.log)
    wait_for("a refused parent", lambda: re.search(r"MainProcess\].*MISCONF", worker.log))
    stage.check_outstanding(producer)
    assert worker.running, worker.story
    filler.unlink()
    stage.check_finished(producer)
    assert "Redis has been unreachable" not in producer.log
    assert worker.children == children
    stage.check_nothing_runs(worker)


def test_a_full_disk_of_the_server_at_the_start_is_retried(stage: Scenario, disk: Path) -> None:
    filler = fill(disk)
    wait_for("a server that cannot write", lambda: not writes(stage.fleet.server))
    in_time = stage.classify("--timeout", "3")
    assert in_time.wait() == Exit.INTERRUPTED, in_time.story
    assert "Redis was not ready within --timeout" in in_time.log
    producer = stage.classify()
    producer.wait_for_log(FULL)
    time.sleep(STILL_S)
    assert producer.running, producer.story
    assert producer.log.count(FULL) == 1
    filler.unlink()
    wait_for("a server that writes", lambda: writes(stage.fleet.server))
    worker = stage.fleet.worker()
    stage.check_finished(producer)
    stage.check_nothing_runs(worker)


def fill(disk: Path) -> Path:
    """Fill the disk, and return the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):  # no space left on device
        while file.write(bytes(1 << 12)):
            pass
    return filler


def writes(server: RedisServer) -> bool:
    """Whether its last write to the disk succeeded."""
    with suppress(redis.ResponseError):
        server.client.set("other", b"something to write", px=1)
    return bool(server.client.info("persistence")["aof_last_write_status"] == "ok")
