"""`classify --update` and `--watch`, with a real server, a worker and processes."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from producer.job.snapshot import JobState, read_snapshot
from producer.table.verify import verify
from shared.errors import Exit
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.claims import job_keys
from tests.support.jobs.finished_job import finish, options_of
from tests.support.processes.fleet import SHORT_TIMES, Fleet, Producer, wait_for
from tests.support.servers.redis_server import RedisServer

SETTLED_AFTER_S = 2.0
IMAGES = 60
OUTPUT = "out.csv"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


@pytest.fixture
def images(drawn: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images for this test only, which were written long ago; two of them are apart."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    shutil.copytree(drawn.cwd / FOLDER, tmp_path / FOLDER)
    for n, path in enumerate(sorted((tmp_path / FOLDER).rglob("*.png"))):
        os.utime(path, (n, n))
        if n < 2:
            path.rename(tmp_path / f"{n}.png")
    return tmp_path


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.fixture
def idle_fleet(server: RedisServer) -> Iterator[Fleet]:
    """A server without a worker."""
    with Fleet(server, **SHORT_TIMES) as running:
        yield running


def classify(
    fleet: Fleet, folder: Path, *options: str, output: str = OUTPUT, **settings: str
) -> Producer:
    settings["XDG_STATE_HOME"] = str(folder / "state")
    return fleet.producer("classify", FOLDER, "-o", output, *options, cwd=folder, **settings)


def fresh(fleet: Fleet, folder: Path) -> bytes:
    """The table of a fresh job."""
    job = classify(fleet, folder, output="fresh.csv")
    assert job.wait() in (Exit.OK, Exit.SOME_FAILED), job.story
    return (folder / "fresh.csv").read_bytes()


def place(folder: Path, name: str, to: str) -> Path:
    """Move a file into the folder, with its time."""
    return (folder / name).rename(folder / FOLDER / to)


@pytest.mark.parametrize("transport", ["auto", "path"])
def test_a_table_that_is_brought_up_to_date_equals_that_of_a_fresh_job(
    fleet: Fleet, images: Path, transport: str
) -> None:
    assert classify(fleet, images, "--transport", transport).wait() == Exit.OK
    place(images, "0.png", "0.png")
    changed, removed, *_ = sorted((images / FOLDER).rglob("*.png"))[10:]
    (images / "1.png").replace(changed)
    removed.unlink()
    (images / FOLDER / "broken.png").write_bytes(b"no picture")
    os.utime(images / FOLDER / "broken.png", (0, 0))
    update = classify(fleet, images, "--update", "--transport", transport)
    assert update.wait() == Exit.SOME_FAILED, update.story
    assert "2 new, 1 changed, 1 gone" in update.log
    assert (images / OUTPUT).read_bytes() == fresh(fleet, images)
    assert verify(images / OUTPUT, deep=True).problems == []


def test_an_update_that_its_budget_stops_leaves_the_table_and_goes_on_with_a_higher_one(
    fleet: Fleet, images: Path
) -> None:
    """It stops at the first failed row, while the others are not sent yet."""
    assert classify(fleet, images).wait() == Exit.OK
    before = (images / OUTPUT).read_bytes()
    for n in range(200):
        path = images / FOLDER / f"{n:03}.png"
        path.write_bytes(b"no picture")
        os.utime(path, (0, 0))
    stopped = classify(fleet, images, "--update", "--max-failures", "0", HANGTAG_BATCH_IMAGES="1")
    assert stopped.wait() == Exit.BUDGET, stopped.story
    assert f"{images / OUTPUT} stays as it was" in stopped.log
    assert (images / OUTPUT).read_bytes() == before
    assert not list(images.glob("*.part"))
    go_on = classify(fleet, images, "--update")
    assert go_on.wait() == Exit.SOME_FAILED, go_on.story
    assert (images / OUTPUT).read_bytes() == fresh(fleet, images)


def test_a_watched_folder_has_its_table_through_every_change_and_a_crash(
    fleet: Fleet, images: Path
) -> None:
    watch = classify(fleet, images, "--watch")
    watch.wait_for_log("watching for changes")
    new = place(images, "0.png", "0-new.png")
    _wait_for_line(watch, "new     pictures/0-new.png: ")
    other = new.rename(new.with_name("0-other.png"))
    _wait_for_line(watch, "gone    pictures/0-new.png")
    _wait_for_line(watch, "new     pictures/0-other.png: ")
    os.utime(other, (9, 9))
    _wait_for_line(watch, "changed pictures/0-other.png: ")
    watch.kill()
    other.unlink()
    place(images, "1.png", "z-last.png")
    watch = classify(fleet, images, "--watch")
    _wait_for_line(watch, "new     pictures/z-last.png: ")
    watch.wait_for_log("watching for changes")
    assert watch.interrupt() == Exit.OK, watch.story
    assert (images / OUTPUT).read_bytes() == fresh(fleet, images)
    assert verify(images / OUTPUT, deep=True).problems == []


def _wait_for_line(watch: Producer, start: str) -> None:
    def poll() -> bool:
        assert watch.running, watch.story
        return any(line.startswith(start) for line in watch.out.splitlines())

    wait_for(start, poll)


def test_a_file_that_grows_is_classified_when_it_is_complete(fleet: Fleet, images: Path) -> None:
    """Its writer pauses for less than two seconds."""
    watch = classify(fleet, images, "--watch")
    watch.wait_for_log("watching for changes")
    content = (images / "0.png").read_bytes()
    written_s = []
    with (images / FOLDER / "slow.png").open("wb") as file:
        for start in range(0, len(content), len(content) // 3 + 1):
            file.write(content[start : start + len(content) // 3 + 1])
            file.flush()
            written_s.append(time.monotonic())
            time.sleep(0.7)
    _wait_for_line(watch, "new     pictures/slow.png: ")
    assert watch.interrupt() == Exit.OK, watch.story
    longest_s = max(later - earlier for earlier, later in pairwise(written_s))
    if longest_s < SETTLED_AFTER_S:  # not on a machine that is too busy to write
        assert "unreadable" not in watch.out
    assert (images / OUTPUT).read_bytes() == fresh(fleet, images)


class TestWhileItRuns:
    """Without a worker an update waits."""

    @pytest.fixture
    def waiting(self, idle_fleet: Fleet, images: Path) -> Producer:
        finish(options_of(images, FOLDER.encode()))
        place(images, "0.png", "0.png")
        update = classify(idle_fleet, images, "--update")

        def is_sent() -> bool:
            return any(key.endswith(":payload") for key in job_keys(idle_fleet.client))

        wait_for("the batch of the new image", is_sent)
        return update

    def test_its_state_is_displayed_and_it_is_cancelled_and_continued(
        self, idle_fleet: Fleet, images: Path, waiting: Producer
    ) -> None:
        before = (images / OUTPUT).read_bytes()
        view = read_snapshot(images / OUTPUT)
        assert view is not None
        assert (view.state, view.done, view.images) == (JobState.RUNNING, IMAGES - 2, IMAGES - 1)
        cancel = idle_fleet.producer(
            "cancel", OUTPUT, cwd=images, XDG_STATE_HOME=str(images / "state")
        )
        assert cancel.wait() == Exit.OK, cancel.story
        assert waiting.wait() == Exit.CANCELLED, waiting.story
        assert (images / OUTPUT).read_bytes() == before
        plain = classify(idle_fleet, images)
        assert plain.wait() == Exit.OK, plain.story
        assert "an update of the table was interrupted" in plain.log
        idle_fleet.worker(concurrency=1)
        again = classify(idle_fleet, images, "--update")
        assert again.wait() == Exit.OK, again.story
        assert verify(images / OUTPUT, deep=True).problems == []
        assert verify(images / OUTPUT).rows == IMAGES - 1

    def test_another_command_is_refused_and_ctrl_c_leaves_the_old_table(
        self, idle_fleet: Fleet, images: Path, waiting: Producer
    ) -> None:
        before = (images / OUTPUT).read_bytes()
        other = classify(idle_fleet, images, "--update")
        assert other.wait() == Exit.USAGE
        assert "already running" in other.log
        waiting.signal(signal.SIGINT)
        assert waiting.wait() == Exit.INTERRUPTED, waiting.story
        assert (images / OUTPUT).read_bytes() == before
        assert "--update" in waiting.log
