"""`hangtag predict` returns the same as the workers, and leaves nothing behind."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from producer.machine.workers import how_to_start
from producer.predict.predictions import Predictions
from shared import keys
from shared.errors import Exit
from shared.registry import packaged
from shared.settings import Settings
from tests.support.images.gallery import Gallery
from tests.support.jobs.claims import job_keys
from tests.support.processes import in_process
from tests.support.processes.fleet import Fleet
from tests.support.processes.in_process import Done
from tests.support.servers.redis_server import RedisServer

FEW = 7


@pytest.fixture
def few(images: Gallery) -> list[str]:
    """Some images from all parts of the gallery."""
    return images.paths[:: len(images.paths) // FEW][:FEW]


def predict(fleet: Fleet, cwd: Path, *arguments: str, **settings: str) -> Done:
    return in_process.run(fleet, "predict", *arguments, cwd=cwd, **settings)


def predictions(command: Done) -> Predictions:
    """The command's JSON output."""
    found = msgspec.json.decode(command.out)
    return msgspec.convert({"labels": packaged.card().labels, **found}, Predictions)


def test_the_results_are_those_of_a_table(
    fleet: Fleet, images: Gallery, few: list[str], tmp_path: Path
) -> None:
    command = predict(fleet, images.cwd, *few, "--json", "--top", "10")
    assert command.code == Exit.OK, command.story
    found = predictions(command)
    assert found.model == packaged.card().ref
    table = tmp_path / "out.csv"
    job = in_process.run(
        fleet, "classify", *few, "-o", str(table), "--probabilities", cwd=images.cwd
    )
    assert job.code == Exit.OK, job.story
    with table.open(newline="", encoding="utf-8") as file:
        for row, image in zip(csv.DictReader(file), found.images, strict=True):
            assert (row["path"], row["label"]) == (image.path, image.label)
            assert row["confidence"] == f"{image.confidence:.4f}"
            for label, p in image.probabilities.items():
                assert row[f"p_{label}"] == f"{p:.4f}"


def test_bad_files_are_reported_and_the_others_classified(
    fleet: Fleet, images: Gallery, few: list[str], tmp_path: Path
) -> None:
    text, empty = tmp_path / "text.png", tmp_path / "empty.png"
    text.write_text("no image")
    empty.touch()
    command = predict(fleet, images.cwd, str(text), few[0], str(empty))
    assert command.code == Exit.SOME_FAILED, command.story
    lines = [line for line in command.out.splitlines() if not line.startswith(" ")]
    assert [line.rpartition(": ")[0] for line in lines] == [str(text), few[0], str(empty)]
    assert "unsupported" in lines[0]
    assert "unreadable" in lines[2]
    assert "3 images, 2 failed" in command.log


def test_nothing_is_left_in_redis_or_on_disk(
    fleet: Fleet, images: Gallery, few: list[str], tmp_path: Path
) -> None:
    state, temporary = tmp_path / "state", tmp_path / os.fsdecode(b"not UTF-8 \xff")
    temporary.mkdir()
    places = {"XDG_STATE_HOME": str(state), "TMPDIR": str(temporary)}
    before = set(os.listdir(images.cwd))
    command = fleet.producer("predict", *few, cwd=images.cwd, **places)
    assert command.wait() == Exit.OK, command.story
    assert job_keys(fleet.client) == []
    assert fleet.client.zcard(keys.JOBS) == 0
    assert not fleet.client.llen(keys.CLASSIFY_QUEUE)
    assert not state.exists()
    assert list(temporary.iterdir()) == []
    assert set(os.listdir(images.cwd)) == before


def test_predictions_are_compared_with_the_truth_and_plotted(
    fleet: Fleet, images: Gallery, few: list[str], tmp_path: Path
) -> None:
    labels = packaged.card().labels
    labels_of_images = [
        image.label for image in predictions(predict(fleet, images.cwd, *few, "--json")).images
    ]
    truths = [
        label if i else next(t for t in labels if t != label)
        for i, label in enumerate(labels_of_images)
    ]
    file = tmp_path / "out.png"
    typed = [part for truth in truths for part in ("--truth", truth)]
    command = predict(fleet, images.cwd, *few, *typed, "--plot", str(file))
    assert command.code == Exit.OK, command.story
    assert f"{FEW - 1} of {FEW} right" in command.log
    assert f"wrong: it is {truths[0]}" in command.out
    colours = {colour for _, colour in Image.open(file).convert("RGB").getcolors(1 << 24) or []}
    assert {(255, 0, 0), (0, 0, 255)} < colours


def test_without_a_worker_it_logs_how_to_start_one_and_can_be_interrupted(
    server: RedisServer, tmp_path: Path
) -> None:
    Image.new("L", (28, 28)).save(tmp_path / "one.png")
    with Fleet(server) as alone:
        command = alone.producer("predict", "one.png", cwd=tmp_path)
        command.wait_for_log(how_to_start(Settings(redis_url=server.url)))
        command.signal(signal.SIGTERM)
        assert command.wait() == Exit.INTERRUPTED, command.story
        assert job_keys(server.client) == []
        assert server.client.zcard(keys.JOBS) == 0
