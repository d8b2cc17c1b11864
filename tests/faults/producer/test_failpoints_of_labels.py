"""A labelling dies while it saves the decisions of a page: the file has every decision that was
reported as saved, and no torn one; the same command goes on."""

from __future__ import annotations

import http.client
import signal
from pathlib import Path

import pytest

from shared.labels import labels_file
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import KILL, Points, Shot
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
        return [{"stack": stack, "kind": "label", "label": "red"} for stack in stacks]

    with Fleet(server) as fleet:
        label = Label(fleet, hand, folder, program=PROGRAM, **points.settings)
        label.decide(*decisions(0, 1))
        reported = 2 + COPIES  # a line for each image of the stack
        points.arm(shot)
        with pytest.raises((http.client.HTTPException, OSError)):
            label.decide(*decisions(2, 3, 4))
        assert label.end() == -signal.SIGKILL
        assert points.victim() == label.process.pid
        assert len(labels_file.read(label.file).images()) in (reported, reported + 3)
        again = Label(fleet, hand, folder)
        assert again.decide(*decisions(2, 3, 4))["standing"]["named"] == reported + 3
        assert again.end() == 0
