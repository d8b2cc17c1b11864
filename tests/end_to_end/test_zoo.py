"""Broken and odd files among good ones: correct label or status, or skipped and counted."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import msgspec
import pytest

from producer.table.csv_cells import unescape
from shared.errors import Exit
from shared.image_status import Status
from tests.support.images.image_zoo import CLEAN, SAME, SKIPPED, write_zoo
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet


@pytest.fixture(scope="module")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    (folder / "zoo").mkdir()
    return folder


@pytest.fixture(scope="module")
def expected(cwd: Path) -> dict[bytes, Status | str]:
    return {b"zoo/" + os.fsencode(name): what for name, what in write_zoo(cwd / "zoo").items()}


def rows(table: Path) -> dict[bytes, dict[str, str]]:
    with table.open(newline="", encoding="utf-8") as file:
        found = [(unescape(row["path"]), row) for row in csv.DictReader(file)]
    assert len(dict(found)) == len(found), "a file has two rows"
    return dict(found)


def check(row: dict[str, str], wanted: Status | str, label: str) -> None:
    status = Status.OK if wanted == SAME else wanted
    assert row["status"] == status
    assert row["error"] == Status(status).sentence
    assert row["label"] == (label if status is Status.OK else "")
    assert bool(row["confidence"]) == (status is Status.OK)
    assert row["model"].startswith("fashion-mnist@")


def test_every_file_of_the_zoo_gets_its_row(
    fleet: Fleet, cwd: Path, expected: dict[bytes, Status | str], tmp_path: Path
) -> None:
    job = in_process.run(
        fleet, "classify", "zoo", "-o", str(tmp_path / "out.csv"), "--json", cwd=cwd
    )
    assert job.code == Exit.SOME_FAILED, job.story
    found = rows(tmp_path / "out.csv")
    wanted = {path: what for path, what in expected.items() if what != SKIPPED}
    assert list(found) == sorted(wanted)
    label = found[b"zoo/" + os.fsencode(CLEAN)]["label"]
    assert label == "Trouser"
    for path, row in found.items():
        check(row, wanted[path], label)
    summary = msgspec.json.decode(job.out)
    assert summary["failed"] == sum(
        isinstance(w, Status) and w is not Status.OK for w in wanted.values()
    )
    assert sum(summary["skipped"].values()) == len(expected) - len(wanted)
