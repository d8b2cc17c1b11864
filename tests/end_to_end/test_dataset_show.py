"""`hangtag dataset show` sends a request to the local stack's trainer and writes its plots."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from shared.errors import Exit
from shared.messages.replies import DataReport
from tests.support.processes import local_stack
from tests.support.processes.fleet import ROOT
from tests.support.processes.local_stack import Place
from worker.demo.drawings import silhouette

LABELS = {"bag": 8, "trouser": 1}
COUNT = 12


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A stack for all tests of this module."""
    yield from local_stack.new(workers=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two classes of drawings, and a file that is no image."""
    folder = tmp_path / "garments"
    for label, number in LABELS.items():
        (folder / label).mkdir(parents=True)
        for seed in range(COUNT):
            Image.fromarray(silhouette(number, seed)).save(folder / label / f"{seed:02}.png")
    (folder / "bag/broken.png").write_text("no image")
    return folder


def show(place: Place, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "producer.cli", "dataset", "show", *arguments],
        cwd=cwd, env={**os.environ, **place.environment, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_counts_and_plots_are_written_once_and_not_overwritten(
    place: Place, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done = show(place, "--data", "garments", "-o", "out", "--index", "3", cwd=tmp_path)
    assert done.returncode == Exit.OK, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "garments: 96 x 96 pixels, colour, 2 labels"
    for line, label in zip(lines[2:4], LABELS, strict=True):
        name, *counts = line.split()
        assert (name, sum(map(int, counts))) == (label, COUNT)
    assert "could not be read" in done.stdout
    assert "bag/broken.png: The file is not a" in done.stdout
    assert done.stderr.endswith("\ndrawn: out/grid.png, out/image.png\n")
    written = {name: (out / name).read_bytes() for name in ("grid.png", "image.png")}
    for name in written:
        with Image.open(out / name) as image:
            assert image.format == "PNG"
    assert "--force" in show(place, "--data", "garments", "-o", "out", cwd=tmp_path).stderr
    assert {name: (out / name).read_bytes() for name in written} == written


def test_json_output_has_the_report(place: Place, data: Path, tmp_path: Path) -> None:
    done = show(place, "--data", str(data), "--json", cwd=tmp_path)
    assert done.returncode == Exit.OK, done.stderr
    report = msgspec.json.decode(done.stdout, type=DataReport)
    assert report.labels == tuple(LABELS)
    assert sum(report.training + report.heldout + report.test) == COUNT * len(LABELS)
    assert not list(tmp_path.glob("*.png"))  # plots are written where -o names a folder


def test_a_missing_index_is_a_usage_error_and_writes_nothing(
    place: Place, data: Path, tmp_path: Path
) -> None:
    done = show(place, "--data", str(data), "--index", "99", "--quiet", cwd=tmp_path)
    assert done.returncode == Exit.USAGE
    assert "from 0 to 24" in done.stderr
    assert not list(tmp_path.glob("*.png"))
