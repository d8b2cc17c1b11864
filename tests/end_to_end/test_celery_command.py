"""`celery -A worker.app worker` works as usual in Celery, with any message in the queue."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared import keys
from shared.broker.celery_app import make_app
from shared.broker.message_filter import CLASSIFY_TASK
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.processes import in_process
from tests.support.processes.fleet import ROOT, Fleet, Worker, as_celery, wait_for
from tests.support.servers.redis_server import RedisServer

#: One batch, classified in one call of the model.
FEW = 12


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    with RedisServer(server_binary) as server, Fleet(server) as running:
        running.launched(as_celery)
        yield running


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), FEW)


def processes(fleet: Fleet) -> set[int]:
    """The processes of all workers, with those of the pools."""
    workers = [
        process for process in fleet.processes if isinstance(process, Worker) and process.running
    ]
    return {pid for worker in workers for pid in (worker.pid, *worker.children)}


def finish_a_job(fleet: Fleet, images: Gallery, output: Path) -> None:
    job = in_process.run(fleet, "classify", FOLDER, "-o", str(output), cwd=images.cwd)
    assert job.code == 0, job.story
    assert output.read_bytes() == images.table


def test_the_command_runs_anywhere_and_takes_the_classify_queue(
    fleet: Fleet, tmp_path: Path
) -> None:
    env = {**os.environ, "HANGTAG_REDIS_URL": fleet.server.url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "report"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert keys.CLASSIFY_QUEUE in done.stdout.decode()


HINTS: list[tuple[object, ...]] = [
    (), ("job",), (1, 2), ("../../etc/passwd", 0), ("abcdefgh", -1), ("abcdefgh", "0"),
    ("abcdefgh", 0), ({"a": 1}, []), ("x" * 100_000, 0), ("abcdefgh", 1 << 40),
]  # fmt: skip


def test_a_hint_of_any_form_leaves_the_worker_alive(
    fleet: Fleet, few: Gallery, tmp_path: Path
) -> None:
    before = processes(fleet)
    app = make_app(fleet.server.url, "test")
    for arguments in HINTS:
        app.send_task(CLASSIFY_TASK, args=arguments, queue=keys.CLASSIFY_QUEUE)
        wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE))
        assert not fleet.client.keys("hangtag:3:job:*"), arguments
        assert processes(fleet) == before, arguments
    app.close()
    finish_a_job(fleet, few, tmp_path / "out.csv")
    assert processes(fleet) == before


def test_an_invalid_message_leaves_the_worker_alive(
    fleet: Fleet, few: Gallery, tmp_path: Path
) -> None:
    before = processes(fleet)
    for message in (
        b"garbage", b"{}", b'{"body": "e30=", "headers": {"task": "os.system", "id": "1"}}',
        b"\x80\x04\x95pickle", b"[]",
    ):  # fmt: skip
        fleet.client.lpush(keys.CLASSIFY_QUEUE, message)
        wait_for("an empty queue", lambda: not fleet.client.llen(keys.CLASSIFY_QUEUE))
        assert processes(fleet) == before, message
    finish_a_job(fleet, few, tmp_path / "out.csv")
    assert processes(fleet) == before
