"""Photos are learned from, classified and labelled where TensorFlow cannot be imported."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from producer.people.learner import Learner, StackLabel
from shared.messages import replies
from shared.messages.labelling import Count, Counts
from shared.messages.requests import ComputeFeatures
from tests.support.images import shapes
from tests.support.jobs import handler_context
from tests.support.processes import local_stack
from tests.support.processes.fleet import ROOT
from tests.support.servers.redis_server import RedisServer
from worker.requests import folder_features as handler

pytestmark = [pytest.mark.started, pytest.mark.nightly]
OF_CLASS = 8
REFUSED = "raise ImportError(f'{__name__} is imported on the path of photos')\n"


@pytest.fixture
def without_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python processes that start from now on find a TensorFlow that cannot be imported."""
    for name in ("tensorflow", "keras"):
        (tmp_path / "refused").mkdir(exist_ok=True)
        (tmp_path / "refused" / f"{name}.py").write_text(REFUSED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'refused'}{os.pathsep}{ROOT}")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for shape in shapes.CORNERS:
        shapes.write(tmp_path / "photos", shape, OF_CLASS)
    return tmp_path / "photos"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[local_stack.Place]:
    """A stack of this machine, which the first command starts."""
    for place in local_stack.new():
        for name, value in place.environment.items():
            monkeypatch.setenv(name, value)
        place.request_one_process()
        yield place


def _run(*command: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", *command], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.usefixtures("without_tensorflow", "stack")
def test_photos_are_trained_on_checked_and_classified(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="tensorflow is imported on the path of photos"):
        _run_python("import tensorflow", tmp_path)
    assert "photos@1" in _run("train", "photos", cwd=tmp_path)
    shapes.write(tmp_path / "new", "circle", OF_CLASS, first_seed=900)
    _run("classify", "new", "--model", "photos", "-o", "out.csv", cwd=tmp_path)
    with (tmp_path / "out.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == OF_CLASS
    assert sum(row["label"] == "circle" for row in rows) >= OF_CLASS - 2
    _run("models", "evaluate", "photos", "--data", "photos", cwd=tmp_path)
    _run("dataset", "check", "photos", cwd=tmp_path)


def _run_python(program: str, cwd: Path) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("without_tensorflow")
def test_the_learner_of_the_label_page_fits_a_head(
    server: RedisServer, photos: Path, tmp_path: Path
) -> None:
    work = ComputeFeatures(str(photos))
    context, _ = handler_context.make(server, tmp_path / "store", work)
    learner = Learner(handler.compute(context, work).files[replies.FEATURES_FILE])
    try:
        learner.decide({0: StackLabel(0, by_chance=True), OF_CLASS: StackLabel(1, by_chance=True)})
        assert learner.ask(Count(), Counts).named == 2
    finally:
        learner.close()
