"""Files that change or disappear during a job: a row is of the first read, or reports it."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.table.verify import verify
from shared.errors import Exit
from shared.image_status import Status
from tests.support.images import gallery
from tests.support.images.gallery import Gallery
from tests.support.jobs import expected_table
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import BATCH_IMAGES

IMAGES = 240
#: Two files of the first message, which was read before Redis lost it, and one unread file.
CHANGED, GONE, LATER = 3, 5, IMAGES - 1


@pytest.fixture
def images(tmp_path: Path) -> Gallery:
    """Images for this test only, which changes them."""
    return gallery.make(tmp_path, IMAGES)


def test_a_row_is_of_the_first_read_or_reports_the_change(stage: Scenario) -> None:
    producer = stage.classify()
    producer.wait_until_sent(BATCH_IMAGES)
    view = producer.view
    assert view is not None
    assert view.done == 0
    assert view.images <= LATER  # it has not been read
    files = [stage.gallery.cwd / path for path in stage.gallery.paths]
    other = files[IMAGES // 2].read_bytes()
    files[CHANGED].write_bytes(other)
    gone = files[GONE].read_bytes()
    files[GONE].unlink()
    files[LATER].write_bytes(other)
    stage.fleet.server.restart()  # every image is read again
    worker = stage.fleet.worker()
    assert producer.wait() == Exit.SOME_FAILED, producer.story
    assert stage.output.read_bytes() == _expected(
        stage, {CHANGED: Status.CHANGED, GONE: Status.MISSING}
    )
    assert verify(stage.output).proven
    files[GONE].write_bytes(gone)
    assert "--retry-failed" in verify(stage.output).problems[0]
    retry = stage.classify("--retry-failed")
    assert retry.wait() == Exit.OK, retry.story
    assert stage.output.read_bytes() == _expected(stage, {})
    assert verify(stage.output, deep=True).proven
    stage.check_nothing_runs(worker)


def _expected(stage: Scenario, failed: dict[int, Status]) -> bytes:
    """The table of a plain loop over the current files, except for these rows."""
    paths = [path for i, path in enumerate(stage.gallery.paths) if failed.get(i) != Status.MISSING]
    rows = expected_table.table(stage.gallery.cwd, paths).splitlines(keepends=True)
    good = dict(zip(paths, rows[1:], strict=True))
    model = rows[1].rstrip().rsplit(b",", 1)[1].decode()
    lines = [rows[0]]
    for i, path in enumerate(stage.gallery.paths):
        status = failed.get(i)
        failure = f"{path},,,{status},{status.sentence if status else ''},,{model}\n"
        lines.append(failure.encode() if status else good[path])
    return b"".join(lines)
