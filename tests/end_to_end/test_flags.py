"""Flags from the worker to the table, the summary and `status`."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.workloads.synthetic_photos import photograph, scene
from producer.job.snapshot import JobView
from shared.errors import Exit
from shared.image_status import Flag
from tests.support.images.image_zoo import garment
from tests.support.jobs import expected_table
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet
from worker.datasets.demo import encoded

FOLDER = "mixed"
EACH = 4


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Garments, their photographs, some with a busy background, black images, a broken file."""
    cwd = tmp_path_factory.mktemp("flags")
    (cwd / FOLDER).mkdir()
    kinds: dict[str, Callable[[int], bytes]] = {
        "garment.png": lambda n: encoded(garment(n)),
        "photo.jpg": lambda n: photograph(garment(n), n),
        "scene.jpg": lambda n: scene(garment(n), n),
        "black.png": lambda n: encoded(np.full((28, 28), n, np.uint8)),
    }
    for name, make in kinds.items():
        for n in range(EACH):
            (cwd / FOLDER / f"{n}-{name}").write_bytes(make(n))
    (cwd / FOLDER / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return cwd


def test_flags_are_in_the_table_the_summary_and_the_status(
    fleet: Fleet, cwd: Path, tmp_path: Path
) -> None:
    table = tmp_path / "out.csv"
    arguments = ("classify", FOLDER, "-o", str(table), "--json")
    job = in_process.run(fleet, *arguments, cwd=cwd)
    assert job.code == Exit.SOME_FAILED, job.story
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    expected = {"scene.jpg": Flag.BUSY_BACKGROUND, "black.png": Flag.UNLIKE_TRAINING}
    for row in rows:
        assert row["flag"] == expected.get(row["path"].rpartition("-")[2], Flag.NONE)
    summary = msgspec.json.decode(job.out)
    counted = Counter(row["flag"] for row in rows if row["flag"])
    assert summary["flagged"] == dict(counted) == dict.fromkeys(expected.values(), EACH)
    assert "4 unlike_training, 4 busy_background (column flag)" in job.log

    command = in_process.run(fleet, "status", str(table), "--json", cwd=cwd)
    assert command.code == 0, command.story
    assert msgspec.json.decode(command.out, type=JobView).flagged == summary["flagged"]
    again = in_process.run(fleet, *arguments, cwd=cwd)
    assert again.code == Exit.SOME_FAILED
    assert msgspec.json.decode(again.out)["flagged"] == summary["flagged"]


def test_with_flags_the_table_has_the_bytes_of_a_plain_loop(
    fleet: Fleet, cwd: Path, tmp_path: Path
) -> None:
    table = tmp_path / "out.csv"
    job = in_process.run(
        fleet, "classify", FOLDER, "-o", str(table), "--top-k", "2", "--probabilities", cwd=cwd
    )
    assert job.code == Exit.SOME_FAILED, job.story
    paths = [f"{FOLDER}/{name}" for name in sorted(os.listdir(cwd / FOLDER))]
    assert table.read_bytes() == expected_table.table(cwd, paths, top=2, probabilities=True)
