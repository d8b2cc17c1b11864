"""A network of one's own: added, trained on, classified with, exported, removed."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.test_export import assert_alike, script_rows
from tests.support.models import drawn_backbones
from tests.support.models.drawn_backbones import FORM_ARGUMENTS, LABELS
from tests.support.processes import in_process, trainers
from tests.support.processes.fleet import Fleet
from tests.support.servers.redis_server import RedisServer

OF_CLASS, NEW = 12, 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos to learn from, new ones, and the file of a network."""
    folder = tmp_path_factory.mktemp("own")
    drawn_backbones.write_photos(folder / "photos", OF_CLASS)
    drawn_backbones.write_photos(folder / "new", NEW, OF_CLASS)
    (folder / "net.onnx").write_bytes(drawn_backbones.file())
    return folder


@pytest.fixture(scope="module")
def place(
    server_binary: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A server, a worker with onnxruntime, and a trainer with a store."""
    store = {"HANGTAG_STORE": str(tmp_path_factory.mktemp("store"))}
    with RedisServer(server_binary) as server, Fleet(server, **store, **trainers.TIMES) as fleet:
        fleet.worker()
        fleet.wait_ready(fleet.worker(1, "worker.trainer", ready=False))
        add = ("backbones", "add", "net.onnx", "--name", "cells", *FORM_ARGUMENTS)
        assert "48 features of 16 x 16 pixels" in said(fleet, folder, *add)
        yield fleet


def said(fleet: Fleet, folder: Path, *arguments: str) -> str:
    done = in_process.run(fleet, *arguments, cwd=folder)
    assert done.code == 0, done.story
    return done.out


def test_photos_are_labelled_by_a_head_on_it_also_after_its_removal(
    place: Fleet, folder: Path, tmp_path: Path
) -> None:
    [listed] = json.loads(said(place, folder, "backbones", "list", "--json"))
    assert (listed["name"], listed["features"]) == ("cells", 48)
    said(place, folder, "train", "photos", "--name", "colours", "--backbone", "cells")
    card = said(place, folder, "models", "show", "colours")
    assert listed["files"]["model.onnx"][:12] in card
    assert "cells" in card
    said(place, folder, "backbones", "rm", "cells")
    assert said(place, folder, "backbones", "list").startswith("there is none; add one with: ")
    table = tmp_path / "new.csv"
    said(place, folder, "classify", "new", "--model", "colours", "-o", str(table))
    with table.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(LABELS) * NEW
    right = [row["label"] == Path(row["path"]).parent.name for row in found]
    assert sum(right) > 0.9 * len(right)
    said(place, folder, "models", "export", "colours", "-o", str(tmp_path / "out"))
    rows = {row["path"]: (row["label"], float(row["confidence"])) for row in found}
    assert_alike(script_rows(tmp_path / "out", folder, list(rows)), rows)
