"""Commands work on images that `hangtag sort --move` has moved, by the paths of the table."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from shared.errors import Exit
from tests.support.images.gallery import Gallery
from tests.support.jobs.decided import correct
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet
from tests.support.processes.in_process import Done

RUBBISH = b"no picture"
NAMES = ("1.png", "2.png", "3.png")
BROKEN = NAMES[1:]


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """The settings of all commands of a test."""
    return {"XDG_STATE_HOME": str(tmp_path / "state")}


@pytest.fixture
def table(fleet: Fleet, images: Gallery, tmp_path: Path, state: dict[str, str]) -> Path:
    """Of three images, of which two cannot be decoded; all have been moved."""
    (tmp_path / "in").mkdir()
    for name, path in zip(NAMES, images.paths, strict=False):
        shutil.copy(images.cwd / path, tmp_path / name)
        (tmp_path / "in" / name).write_bytes(
            RUBBISH if name in BROKEN else (tmp_path / name).read_bytes()
        )
    first = run(fleet, tmp_path, state, "classify", "in", "-o", "out.csv")
    assert first.code == Exit.SOME_FAILED, first.story
    moved = run(fleet, tmp_path, state, "sort", "out.csv", "--into", "sorted", "--move")
    assert moved.code == Exit.OK, moved.story
    return tmp_path / "out.csv"


def run(fleet: Fleet, cwd: Path, state: dict[str, str], *arguments: str) -> Done:
    return in_process.run(fleet, *arguments, cwd=cwd, **state)


def test_a_decision_holds_for_its_copies_after_a_retry_and_a_restart(
    fleet: Fleet, images: Gallery, tmp_path: Path, state: dict[str, str]
) -> None:
    (tmp_path / "in").mkdir()
    content, other = ((images.cwd / path).read_bytes() for path in images.paths[:2])
    (tmp_path / "in/2.png").write_bytes(content)
    (tmp_path / "in/3.png").write_bytes(RUBBISH)
    table = tmp_path / "out.csv"
    assert run(fleet, tmp_path, state, "classify", "in", "-o", "out.csv").code
    correct(table, content, "wool hat", 1)
    run(fleet, tmp_path, state, "table", "out.csv")
    assert labels(table)["in/2.png"] == "wool hat"
    (tmp_path / "in/3.png").write_bytes(content)
    run(fleet, tmp_path, state, "classify", "in", "-o", "out.csv", "--retry-failed")
    assert labels(table) == {"in/2.png": "wool hat", "in/3.png": "wool hat"}
    (tmp_path / "in/1.png").write_bytes(other)
    run(fleet, tmp_path, state, "classify", "in", "-o", "out.csv", "--restart")
    run(fleet, tmp_path, state, "table", "out.csv")
    found = labels(table)
    assert found.pop("in/1.png") != "wool hat"
    assert found == {"in/2.png": "wool hat", "in/3.png": "wool hat"}


def labels(table: Path) -> dict[str, str]:
    with table.open(newline="", encoding="utf-8") as file:
        return {row["path"]: row["label"] for row in csv.DictReader(file)}


def test_a_plot_displays_moved_images(fleet: Fleet, table: Path, state: dict[str, str]) -> None:
    (now,) = (table.parent / "sorted").glob("*/1.png")
    plots = []
    for path in ("in/1.png", str(now.relative_to(table.parent))):
        command = run(fleet, table.parent, state, "predict", path, "--plot", "plot.png", "--force")
        assert command.code == Exit.OK, command.story
        plots.append((table.parent / "plot.png").read_bytes())
    assert plots[0] == plots[1]
