"""The disk is full or read-only, or the folder is removed: one line, and the command resumes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.table.verify import verify
from shared.atomic_file import DRAFT_SUFFIX
from shared.errors import Exit
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import job_keys
from tests.support.jobs.scenario import Scenario
from tests.support.machine.small_disk import Disk, mounted
from tests.support.processes.fleet import Fleet, Producer

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root, to mount a small disk")
#: More than the journal's log needs at the end, less than the size of the table.
LEFT_BYTES = 60 << 10
IMAGES = 1_200


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("some"), IMAGES)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """The disk of the output, large enough for a job's table and journal."""
    with mounted(tmp_path / "disk", "8m") as disk:
        yield disk


@pytest.fixture
def stage(
    fleet: Fleet, images: Gallery, disk: Disk, tmp_path: Path, chance: random.Random
) -> Scenario:
    return Scenario(fleet, images, disk.folder, chance)


def test_the_journals_disk_is_full(stage: Scenario, disk: Disk) -> None:
    disk.resize("256k")
    worker = stage.fleet.worker()
    stopped = stage.classify()
    assert stopped.wait() == Exit.SETUP, stopped.story
    line = _last_line(stopped)
    assert f"{stage.output}.hangtag" in line
    assert "free space, run again" in line
    view = stopped.view
    assert view is not None
    assert 0 < view.done < len(stage.gallery.paths)
    assert not stage.output.exists()
    disk.resize("8m")
    again = stage.classify()
    stage.check_finished(again)
    assert again.view is not None
    assert again.view.job == view.job
    stage.check_nothing_runs(worker)


def test_the_tables_disk_is_full(stage: Scenario, disk: Disk, tmp_path: Path) -> None:
    worker = stage.fleet.worker()
    points = Points(tmp_path / "points")
    points.arm(Shot("table.written"))
    assert stage.classify(program=PROGRAM, **points.settings).wait() == -signal.SIGKILL
    Path(f"{stage.output}{DRAFT_SUFFIX}").unlink()
    disk.fill(LEFT_BYTES)
    stopped = stage.classify()
    assert stopped.wait() == Exit.SETUP, stopped.story
    assert "No space left on device" in _last_line(stopped)
    assert "run the same command again" in _last_line(stopped)
    assert stopped.view is not None
    assert stopped.view.done == len(stage.gallery.paths)
    assert not stage.output.exists()
    assert not Path(f"{stage.output}{DRAFT_SUFFIX}").exists()  # it would fill the disk
    disk.free()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_the_disk_becomes_read_only_between_two_runs(stage: Scenario, disk: Disk) -> None:
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    assert producer.interrupt() == Exit.INTERRUPTED
    stage.let_go(held)
    disk.read_only()
    stopped = stage.classify()
    assert stopped.wait() == Exit.SETUP, stopped.story
    assert "Read-only file system" in _last_line(stopped)
    disk.writable()
    stage.check_finished(stage.classify())
    disk.read_only()
    assert verify(stage.output).rows == len(stage.gallery.paths)  # it writes nothing
    disk.writable()
    stage.check_nothing_runs(worker)


def test_the_output_folder_becomes_immutable_while_the_job_runs(
    stage: Scenario, tmp_path: Path
) -> None:
    stage = Scenario(stage.fleet, stage.gallery, tmp_path, stage.chance)
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    if subprocess.run(["chattr", "+i", str(tmp_path)], check=False).returncode:
        pytest.skip("no small disk can be mounted here: no folder can be made immutable")
    try:
        stage.let_go(held)
        assert producer.wait() == Exit.SETUP, producer.story
        assert f"{stage.output}: " in _last_line(producer)
        assert "run the same command again" in _last_line(producer)
    finally:
        subprocess.run(["chattr", "-i", str(tmp_path)], check=True)
    assert not stage.output.exists()
    stage.check_finished(stage.classify())
    stage.check_nothing_runs(worker)


def test_the_output_folder_is_removed_while_the_job_runs(stage: Scenario, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    stage = Scenario(stage.fleet, stage.gallery, folder, stage.chance)
    worker = stage.fleet.worker()
    producer = stage.classify()
    stage.reach_the_middle(producer)
    held = stage.catch(producer, worker)
    shutil.rmtree(folder)
    stage.let_go(held)
    assert producer.wait() == Exit.SETUP, producer.story
    assert "was removed while the job ran; the same command starts the job over" in _last_line(
        producer
    )
    assert job_keys(stage.fleet.client) == []
    folder.mkdir()
    stage.check_finished(stage.classify())  # from the start: the journal was in the folder
    stage.check_nothing_runs(worker)


def test_the_disk_of_the_index_is_full_and_no_job_starts(stage: Scenario, tmp_path: Path) -> None:
    with mounted(tmp_path / "state", "64k") as state:
        state.fill(0)
        stopped = stage.classify(XDG_STATE_HOME=str(state.folder))
        assert stopped.wait() == Exit.SETUP, stopped.story
        assert "XDG_STATE_HOME" in _last_line(stopped)
        assert os.listdir(stage.folder) == []
        assert job_keys(stage.fleet.client) == []
        status = stage.hangtag("status")
        assert status.wait() == Exit.OK
        state.free()
        worker = stage.fleet.worker()
        stage.check_finished(stage.classify(XDG_STATE_HOME=str(state.folder)))
        stage.check_nothing_runs(worker)


def _last_line(producer: Producer) -> str:
    """The last line of its log, which must be its only error."""
    lines = producer.log.strip().splitlines()
    assert sum(line.startswith("hangtag: ") for line in lines) == 1, producer.log
    assert lines[-1].startswith("hangtag: "), producer.log
    return lines[-1]
