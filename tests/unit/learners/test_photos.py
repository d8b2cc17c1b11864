"""What the learners of photos share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared import recipes
from shared.messages.model_card import Preprocessing
from shared.messages.training import Train
from tests.support.images import shapes
from worker.datasets.split import HELDOUT, TRAINING, UNDECIDED
from worker.learners import photos
from worker.learners.learner import Task

PHOTOS = 5


@pytest.mark.parametrize("given", [True, False], ids=["validation", "a fold"])
def test_only_photos_that_the_folder_holds_out_are_decoded_for_an_older_version(
    tmp_path: Path, given: bool
) -> None:
    """A fold is no part of a data set: an older version could not have held out the same."""
    for number, part in enumerate(("train", "validation") if given else (".",)):
        for shape in ("circle", "square"):
            shapes.write(tmp_path / "photos" / part, shape, PHOTOS, first_seed=100 * number)
    parts = np.array([TRAINING, HELDOUT] if given else [UNDECIDED, UNDECIDED], np.int8)
    work = Train("cats", "photo-head", str(tmp_path / "photos"))
    folder = tmp_path / "work"
    folder.mkdir()
    task = Task(work, recipes.find(work.recipe), folder / "state.npz")
    found = photos.held_out_by_folder(task, parts, Preprocessing(28, 28, 3))
    assert (found is not None) == given
    assert found is None or len(found.labels) == 2 * PHOTOS
    assert bool(list(folder.glob("decoded-*"))) == given
