"""A labelling dies while it saves the decisions of a page: the file has every decision that was
reported as saved, and no torn one; the same command goes on. So does a job that dies while labels
that its version has learned become corrections of its table."""

from __future__ import annotations

import http.client
import os
import signal
from pathlib import Path
from unittest import mock

import pytest

from shared.labels import labels_file
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import KILL, Points, Shot
from tests.support.jobs.decided import line_of, lines_in
from tests.support.jobs.finished_job import finish, options_of
from tests.support.jobs.updating_process import forked
from tests.support.pages.planted_folder import plant
from tests.support.processes.fleet import Fleet
from tests.support.processes.label_server import Label
from tests.support.processes.manual_trainer import Hand
from tests.support.servers.redis_server import RedisServer

pytestmark = pytest.mark.points

OF_SAVING = [Shot(name, 1, KILL) for name in ("corrections.written", "corrections.appended")]
IMAGES, COPIES = 12, 2


@pytest.mark.parametrize("shot", OF_SAVING, ids=str)
def test_a_label_is_saved_or_was_not_reported(
    server: RedisServer, tmp_path: Path, shot: Shot
) -> None:
    hand, points = Hand(server), Points(tmp_path / "points")
    hand.live()
    folder = plant(tmp_path / "photos", IMAGES, COPIES)

    def decisions(*stacks: int) -> list[dict[str, object]]:
        return [{"item": stack, "kind": "label", "label": "red"} for stack in stacks]

    with Fleet(server) as fleet:
        label = Label(fleet, hand, folder, program=PROGRAM, **points.settings)
        label.decide(*decisions(0, 1))
        reported = 2 + COPIES  # a line for each image of the stack
        points.arm(shot)
        with pytest.raises((http.client.HTTPException, OSError)):
            label.decide(*decisions(2, 3, 4))
        assert label.end() == -signal.SIGKILL
        assert points.victim() == label.process.pid
        assert len(labels_file.read(label.file).so_far.images()) in (reported, reported + 3)
        again = Label(fleet, hand, folder)
        assert again.named(again.decide(*decisions(2, 3, 4))) == reported + 3
        assert again.end() == 0


@pytest.mark.parametrize("shot", OF_SAVING, ids=str)
@pytest.mark.parametrize("cut", [0, 1, 150, 400])
def test_learned_labels_are_in_the_table_once(tmp_path: Path, shot: Shot, cut: int) -> None:
    """Of the lines that were being written, power may have lost the last bytes."""
    (tmp_path / "in").mkdir()
    learned = []
    for number in range(IMAGES):
        content = bytes([number]) * 9
        (tmp_path / f"in/{number:02}.png").write_bytes(content)
        learned.append(line_of(content, "Hat", at="2026"))
    options, points = options_of(tmp_path, b"in"), Points(tmp_path / "points")
    points.arm(shot)
    with mock.patch.dict(os.environ, points.settings):
        assert forked(lambda: finish(options, learned=learned)) == -signal.SIGKILL
    log = labels_file.of_table(tmp_path / "out.csv")
    os.truncate(log, log.stat().st_size - cut)
    finish(options, learned=learned)
    lines = lines_in(log)
    assert sorted(line.sha256 for line in lines) == sorted(file.sha256 for file in learned)
    table = (tmp_path / "out.csv").read_text()
    assert table.count(",Hat,") == IMAGES
