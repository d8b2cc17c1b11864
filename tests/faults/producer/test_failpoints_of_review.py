"""A review dies while it saves a decision: the log has the decision or not, and every decision that
was reported as saved."""

from __future__ import annotations

import http.client
import os
from pathlib import Path

import pytest

from producer.inputs.job_options import JobOptions
from shared.labels import correction_log
from tests.faults.producer.test_failpoints import PROGRAM
from tests.support.failpoints.armed import KILL, Points, Shot
from tests.support.images.drawn_folders import draw
from tests.support.jobs import finished_job
from tests.support.processes.review_server import Review

pytestmark = pytest.mark.points

OF_SAVING = [Shot(name, 1, KILL) for name in ("corrections.written", "corrections.appended")]


@pytest.mark.parametrize("shot", OF_SAVING, ids=str)
def test_a_decision_is_saved_or_was_not_reported(tmp_path: Path, shot: Shot) -> None:
    draw(tmp_path / "shapes", (5, 8), 3)
    table, points = tmp_path / "t.csv", Points(tmp_path / "points")
    finished_job.finish(JobOptions((b"shapes",), os.fsencode(tmp_path), str(table)))
    review = Review(table, PROGRAM, **points.settings)
    first, second = review.rows("kind=all&count=2")["rows"]
    review.decide((first["position"], "Bag"))
    points.arm(shot)
    with pytest.raises((http.client.HTTPException, OSError)):
        review.decide((second["position"], "Coat"))
    assert review.end() == -9
    assert points.victim() == review.process.pid
    kept = [one.path for one in correction_log.read(correction_log.log_path(table))]
    assert kept in ([first["path"]], [first["path"], second["path"]])
    again = Review(table)
    again.decide((second["position"], "Coat"))
    assert again.json("GET", "/table")["totals"]["decided"] == 2
    assert again.end() == 0
