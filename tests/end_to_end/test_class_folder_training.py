"""A folder of a user's images becomes a model that classifies new ones.

CI trains on a folder in test_training.py, for less time.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from shared import recipes, runtimes
from shared.messages.training import Train
from tests.support.images import shapes
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.load import Loaded
from worker.decoding.decode import decode
from worker.learners.learner import BuiltVersion, Task
from worker.learners.network import Network
from worker.runtimes import load_runtime

#: Keras 3.15 saves models with a function that NumPy 2 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.nightly,
]
IMAGES_OF_CLASS = 120
EPOCHS = 12
NEW_IMAGES = 20
BROKEN = ("circle/broken.jpg", "square/empty.png", "triangle/more/text.webp")


class Training(NamedTuple):
    """The data of a training and the version that it built."""

    loaded: Loaded
    made: BuiltVersion


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    root = tmp_path_factory.mktemp("shapes")
    for shape in shapes.CORNERS:
        shapes.write(root, shape, IMAGES_OF_CLASS)
    _break(root)
    recipe = recipes.find("fast").lasting(EPOCHS)
    loaded = load.load(
        LabelledData(str(root)), recipe.size, None, tmp_path_factory.mktemp("scratch")
    )
    task = Task(Train("shapes", recipe.name, ""), recipe)
    return Training(loaded, Network(task, loaded.data).build())


def _break(root: Path) -> None:
    whole = shapes.encoded(shapes.draw("circle", 999), "JPEG")
    for name, content in zip(BROKEN, (whole[:300], b"", b"a triangle"), strict=True):
        (root / name).write_bytes(content)


def test_it_classifies_unseen_images_correctly(training: Training) -> None:
    metrics = training.made.card.metrics
    assert metrics.test_count == sum(training.loaded.report.test) > 30
    assert metrics.test_accuracy is not None
    assert metrics.test_accuracy > 0.95


def test_the_broken_files_are_named(training: Training) -> None:
    report = training.loaded.report
    assert tuple(line.partition(":")[0] for line in report.unreadable) == BROKEN
    assert sum(report.training) + sum(report.heldout) + sum(report.test) == 3 * IMAGES_OF_CLASS


def test_the_file_that_workers_load_classifies_new_images(training: Training) -> None:
    card, files = training.made
    model = load_runtime.load("litert", card, files[runtimes.find("litert").artifact])
    for number, shape in enumerate(card.labels):
        images = [
            decode(shapes.encoded(shapes.draw(shape, 5000 + seed), "PNG"), card.preprocessing)
            for seed in range(NEW_IMAGES)
        ]
        numbers = model.predict(np.stack(images)).argmax(1)
        assert np.count_nonzero(numbers == number) > 0.85 * NEW_IMAGES
