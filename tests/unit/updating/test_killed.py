"""An update is killed between its steps. tests/faults kills it at each passage of each point."""

from __future__ import annotations

from pathlib import Path

from tests.support.failpoints.armed import Points, Shot
from tests.unit.updating.killed import Stage

#: The steps around the moment from which the table is the new one.
SHOTS = [
    Shot("update.formed"),
    Shot("table.placed"),
    Shot("journal.log-removed", 4),
    Shot("update.committed"),
    Shot("corrections.extended"),
    Shot("update.table-placed"),
]


def test_a_killed_update_leaves_the_old_table_or_the_new_one(tmp_path: Path) -> None:
    stage, points = Stage(tmp_path), Points(tmp_path / "points")
    for shot in SHOTS:
        stage.check_killed(shot, points)
        stage.reset()
