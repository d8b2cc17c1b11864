"""`--transport path`: the table equals that of `inline`, whichever files the workers can read."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import cast

import pytest

from producer.table.verify import verify
from shared import keys
from shared.errors import Exit
from shared.image_status import Status
from shared.messages.batch import decode_payload
from shared.messages.files import UNSEEN, Reference
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import KILL, Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.images.image_zoo import write_zoo
from tests.support.jobs import expected_table
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES, Producer, Worker, wait_for

BY_PATH = ("--transport", "path")
#: Two files of the first message, and one that is unread when the first message is sent.
CHANGED, GONE, LATER = 3, 5, -1
#: A window or two, until the rest is sent inline.
REFUSED_MAX = 20
#: Without a worker, a producer has filled its window by then.
SETTLED_S = 1.0


def payload_images(stage: Scenario) -> list[bytes | Reference | Status]:
    """The images that are stored in Redis for the workers."""
    found: list[bytes | Reference | Status] = []
    for key in stage.fleet.client.scan_iter(keys.job("*", "payload")):
        for blob in cast(dict[bytes, bytes], stage.fleet.client.hgetall(key)).values():
            found += decode_payload(blob)
    return found


def start(stage: Scenario, **settings: str) -> Producer:
    """Start a job without a worker, and wait until its first message holds references."""
    producer = stage.classify(*BY_PATH, **settings)
    images = wait_for("a message", lambda: payload_images(stage))
    assert len(images) >= BATCH_IMAGES
    assert all(isinstance(image, Reference) for image in images)
    return producer


def worker_with_root(stage: Scenario, root: Path | str = "/") -> Worker:
    """Start a worker that opens files below a root."""
    return stage.fleet.worker(HANGTAG_ROOT=str(root))


def check_all_read(*processes: Producer | Worker) -> None:
    """No worker has released a batch for files that it could not read."""
    for process in processes:
        assert UNSEEN not in process.log, process.story


def check_all_proven(stage: Scenario) -> None:
    """The digest of every file was reported by the process that has read it."""
    proof = verify(stage.output, deep=True)
    assert (proof.proven, proof.problems, proof.unproven) == (True, [], [])


def test_the_root_of_the_files_may_differ_between_machines(stage: Scenario, tmp_path: Path) -> None:
    shutil.copytree(stage.gallery.cwd, tmp_path / "there")
    producer = start(stage, HANGTAG_ROOT=str(stage.gallery.cwd))
    worker = stage.fleet.producer("worker", "--root", "there", cwd=tmp_path)
    stage.check_finished(producer)
    check_all_read(producer, worker)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker.story
    stage.check_nothing_runs()


def test_a_killed_producer_resumes_with_either_transport(stage: Scenario) -> None:
    worker = worker_with_root(stage)
    producer = stage.classify(*BY_PATH)
    for options in ((), BY_PATH):
        stage.reach_the_middle(producer)
        stage.check_outstanding(producer)
        producer.kill()
        producer = stage.classify(*options)
    stage.check_finished(producer)
    check_all_read(producer, worker)
    stage.check_nothing_runs(worker)


def test_a_server_that_loses_its_data_receives_the_bytes(stage: Scenario) -> None:
    producer = start(stage)
    stage.fleet.server.restart()
    worker = worker_with_root(stage)
    stage.check_finished(producer)
    check_all_read(producer, worker)
    check_all_proven(stage)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("point", ["journal.committing", "journal.committed", "queue.images-put"])
def test_a_producer_killed_while_it_sends_the_bytes_has_stored_digests_or_reads_again(
    stage: Scenario, tmp_path: Path, point: str
) -> None:
    points = Points(tmp_path / "points")
    producer = stage.classify(*BY_PATH, program=PROGRAM, **points.settings)
    wait_for("a message", lambda: payload_images(stage))
    producer.wait_until_sent(2 * BATCH_IMAGES)
    time.sleep(SETTLED_S)
    stage.fleet.server.kill()
    points.arm(Shot(point, 1, KILL))
    stage.fleet.server.start()
    assert points.wait() == producer.pid
    worker = worker_with_root(stage)
    stage.check_finished(stage.classify(*BY_PATH))
    check_all_proven(stage)
    stage.check_nothing_runs(worker)


@pytest.mark.parametrize("root", ["", "BESIDE"])
def test_a_worker_without_access_to_the_files_receives_them(
    stage: Scenario, tmp_path: Path, root: str
) -> None:
    """Without a root, and with a root that contains other files of the same names."""
    shutil.copytree(stage.gallery.cwd, tmp_path / "BESIDE", copy_function=shutil.copyfile)
    producer = start(stage, HANGTAG_ROOT=str(stage.gallery.cwd))
    worker = worker_with_root(stage, tmp_path / root if root else "")
    stage.check_finished(producer)
    assert f"{UNSEEN}: " in producer.log
    assert "; from here on the bytes of all files are sent" in producer.log
    assert 1 <= worker.log.count(UNSEEN) <= REFUSED_MAX
    assert "Traceback" not in worker.log
    check_all_proven(stage)
    stage.check_nothing_runs(worker)


def test_workers_with_and_without_a_root_share_a_job(stage: Scenario) -> None:
    producer = start(stage)
    without_root = stage.fleet.worker(1)
    without_root.wait_for_log(UNSEEN)
    other = worker_with_root(stage)
    stage.check_finished(producer)
    check_all_read(other)
    check_all_proven(stage)
    stage.check_nothing_runs(other, without_root)


class TestFilesThatChange:
    @pytest.fixture
    def images(self, tmp_path: Path) -> Gallery:
        """Images for this test only, which changes them."""
        return gallery.make(tmp_path, 240)

    def test_a_row_is_of_the_file_as_it_was_found_or_reports_the_change(
        self, stage: Scenario
    ) -> None:
        producer = start(stage)
        view = producer.view
        assert view is not None
        files = [stage.gallery.cwd / path for path in stage.gallery.paths]
        assert view.images < len(files)
        other, gone = files[len(files) // 2].read_bytes(), files[GONE].read_bytes()
        for changed in (CHANGED, LATER):
            files[changed].write_bytes(other)
        files[GONE].unlink()
        worker = worker_with_root(stage)
        assert producer.wait() == Exit.SOME_FAILED, producer.story
        rows = stage.output.read_text().splitlines()[1:]
        failed = {i: row.split(",")[3] for i, row in enumerate(rows) if ",ok," not in row}
        assert failed == {CHANGED: Status.CHANGED, GONE: Status.MISSING}
        assert 1 <= worker.log.count(UNSEEN) <= 2
        assert verify(stage.output).proven
        files[GONE].write_bytes(gone)
        retry = stage.classify("--retry-failed", *BY_PATH)
        assert retry.wait() == Exit.OK, retry.story
        expected = expected_table.table(stage.gallery.cwd, stage.gallery.paths)
        assert stage.output.read_bytes() == expected
        assert verify(stage.output, deep=True).proven
        stage.check_nothing_runs(worker)


def test_broken_files_links_and_odd_names_are_the_same_rows_as_inline(
    stage: Scenario, tmp_path: Path
) -> None:
    zoo = tmp_path / FOLDER
    zoo.mkdir()
    write_zoo(zoo)
    names = [b"new\nline.png", b"\xff\xfe.png", b"...png", b"back\\slash.png", b"-.png", b" .png"]
    source = stage.gallery.cwd / stage.gallery.paths[0]
    for folder in (b"", b"\xffolder\n/", b".../"):
        os.makedirs(os.fsencode(zoo) + b"/" + folder, exist_ok=True)
        for name in names:
            shutil.copyfile(source, os.fsencode(zoo) + b"/" + folder + name)
    (zoo / "list").write_bytes(b"pictures/a-link\npictures/gone.png\npictures/linked/ .png\n")
    (zoo / "a-link").symlink_to(source)
    (zoo / "linked").symlink_to("...")
    workers = [worker_with_root(stage) for _ in range(2)]
    for what in ([FOLDER], ["--list", f"{FOLDER}/list"]):
        tables = []
        for transport in ("inline", "path"):
            output = tmp_path / f"{transport}.csv"
            producer = stage.fleet.producer(
                "classify", *what, "-o", str(output), "--transport", transport, "--restart",
                cwd=tmp_path,
            )  # fmt: skip
            assert producer.wait() == Exit.SOME_FAILED, producer.story
            check_all_read(producer, *workers)
            tables.append(output.read_bytes())
        assert tables[0] == tables[1]
    stage.check_nothing_runs(*workers)
