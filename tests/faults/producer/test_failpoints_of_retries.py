"""A producer is killed at each of its crash points while it repeats failed rows."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.verify.verify import verify
from shared.errors import Exit
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import Points, Shot
from tests.support.images import gallery
from tests.support.images.gallery import FOLDER, Gallery
from tests.support.jobs.broken_files import mend, spoil
from tests.support.jobs.scenario import Scenario
from tests.support.processes.fleet import SHORT_TIMES, Fleet
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

IMAGES = 120
#: Small messages, so that each step is passed several times.
SMALL = {"HANGTAG_BATCH_IMAGES": "8"}
BROKEN = range(0, IMAGES, 3)
#: The table is in place before these.
AT_THE_END = {"table.placed", "queue.left"}
SHOTS = [
    *(Shot("journal.committing", nth) for nth in (1, 2, 3, 4)),
    *(Shot("journal.committed", nth) for nth in (1, 2, 3, 4)),
    *(Shot("hint.sent", nth) for nth in (1, 2)),
    Shot("queue.trimmed"),
    Shot("table.written"),
    Shot("table.placed"),
    Shot("queue.left"),
]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return gallery.make(tmp_path_factory.mktemp("few"), IMAGES)


@pytest.fixture
def images(drawn: Gallery, tmp_path: Path) -> Gallery:
    """Images for this test only, which breaks and repairs them."""
    shutil.copytree(drawn.cwd / FOLDER, tmp_path / FOLDER)
    return drawn._replace(cwd=tmp_path)


@pytest.fixture(scope="module")
def fleet(server_binary: Path) -> Iterator[Fleet]:
    """One worker and one server for all tests of this file."""
    with RedisServer(server_binary) as server, Fleet(server, **SHORT_TIMES) as running:
        running.worker()
        yield running


@pytest.mark.parametrize("shot", SHOTS, ids=str)
def test_a_producer_killed_while_it_repeats_rows_is_resumed(
    stage: Scenario, tmp_path: Path, shot: Shot
) -> None:
    broken = spoil(stage, BROKEN)
    assert stage.classify(**SMALL).wait() == Exit.SOME_FAILED
    mend(stage, broken)
    old = stage.output.read_bytes()
    points = Points(tmp_path / "points")
    points.arm(shot)
    retry = stage.classify("--retry-failed", program=PROGRAM, **SMALL, **points.settings)
    assert retry.wait() == -signal.SIGKILL, f"it never reached that point\n{retry.story}"
    if shot.name not in AT_THE_END:
        assert stage.output.read_bytes() == old
    stage.check_finished(stage.classify("--retry-failed", **SMALL))
    assert verify(stage.output, deep=True).proven
