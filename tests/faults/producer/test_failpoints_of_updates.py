"""`classify --update` is killed at every passage of every crash point: the table is the old one or
the new one, with its journal and its corrections, and the same command goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.failpoints.armed import Points
from tests.support.jobs.updating_process import passages
from tests.unit.run.killed import Stage

#: No model is loaded.
pytestmark = [pytest.mark.points, pytest.mark.shipped_model]

#: Those of an update alone, which must be among them.
POINTS = {"update.formed", "update.committed", "table.placed"}


def test_an_update_is_killed_at_every_step(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    shots = passages(stage.options, tmp_path)
    assert {shot.name for shot in shots} >= POINTS
    points = Points(tmp_path / "points")
    for shot in shots:
        stage.reset()
        stage.check_killed(shot, points)
