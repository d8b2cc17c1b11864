"""`python -m benchmarks.shipped_model`: teachers, their student, and an interruption."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import shipped_model
from shared.messages.model_card import Preprocessing, decode_card
from shared.recipes import RECIPES
from worker.datasets.examples import Examples, hold_out
from worker.datasets.load import DataSet
from worker.evaluation.metrics import Epoch

#: Keras 3.15 saves with calls that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SHAPE = (6, 8, 1)
EPOCHS = 2
RECIPE = msgspec.structs.replace(
    RECIPES["fast"].lasting(EPOCHS), network="dense", widths=(8,), batch=25, average=0.5
)


class Killed(Exception):
    """Represents the end of the process between two epochs."""


def examples() -> Examples:
    """Dark and bright noise, which is easy to distinguish."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 200)
    pixels = rng.integers(0, 100, (200, *SHAPE)) + 155 * labels[:, None, None, None]
    return Examples.from_arrays(pixels.astype(np.uint8), labels)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> list[Epoch]:
    """The epochs of all networks; the one after five raises Killed."""
    seen: list[Epoch] = []

    def epoch(self: shipped_model.Printed, epoch: Epoch) -> None:
        seen.append(epoch)
        if len(seen) == 5:
            raise Killed

    monkeypatch.setattr(shipped_model.Printed, "epoch", epoch)
    return seen


@pytest.mark.nightly
def test_a_small_run_makes_a_version_that_names_its_teachers_and_resumes(
    tmp_path: Path, printed: list[Epoch]
) -> None:
    learn, held = hold_out(examples())
    spec = Preprocessing(*SHAPE)
    data = DataSet("noise", ("dark", "bright"), learn, examples(), spec, held)
    with pytest.raises(Killed):  # in the version, after two teachers
        shipped_model.build(data, RECIPE, 5, 2, tmp_path)
    built = shipped_model.build(data, RECIPE, 5, 2, tmp_path)
    assert len(printed) == 3 * EPOCHS
    shipped_model.write(built, tmp_path)
    card = decode_card((tmp_path / "card.json").read_bytes())
    assert (card.seed, card.teachers) == (5, ("seed 6", "seed 7"))
    assert card.metrics.test_count == 200
    assert all((tmp_path / name).is_file() for name in card.files)
