"""A checkpoint is restored whole or not at all, also from a damaged file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from worker.evaluation.metrics import Epoch
from worker.train.checkpoint import Checkpoint, OtherTraining

HISTORY = [Epoch(1, 0.9, 0.6, 0.8, 0.7, 12.5)]
KEY = "the key"


class Weights(NamedTuple):
    """What a checkpoint needs of a variable of Keras."""

    values: npt.NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def numpy(self) -> npt.NDArray[np.float32]:
        return self.values

    def assign(self, values: npt.NDArray[np.float32]) -> None:
        self.values[:] = values


def weights(value: float, *shapes: tuple[int, ...]) -> list[Weights]:
    return [Weights(np.full(shape, value, np.float32)) for shape in shapes or [(2, 3), (4,)]]


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A checkpoint of weights that are all 1."""
    Checkpoint(tmp_path / "state", KEY, weights(1)).add(HISTORY[0])
    return tmp_path / "state"


def test_no_file_is_the_start_of_a_training(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "state", KEY, weights(0)).history == []


def test_a_checkpoint_restores_weights_and_history(stored: Path) -> None:
    found = weights(0)
    assert Checkpoint(stored, KEY, found).history == HISTORY
    assert all((one.values == 1).all() for one in found)


@pytest.mark.parametrize(
    "shapes",
    [[(2, 3), (5,)], [(3, 2), (4,)], [(2, 3), (4,), (1,)]],
    ids=["length", "order", "more"],
)
def test_the_weights_of_another_network_are_refused_whole(
    stored: Path, shapes: list[tuple[int, ...]]
) -> None:
    """As after an update of Hangtag that has changed the layers of a recipe."""
    found = weights(0, *shapes)
    with pytest.raises(OtherTraining):
        Checkpoint(stored, KEY, found)
    assert not any(one.values.any() for one in found)


def test_another_key_is_refused(stored: Path) -> None:
    with pytest.raises(OtherTraining):
        Checkpoint(stored, "another key", weights(0))


def test_a_damaged_file_is_refused_whole_or_harmless(stored: Path) -> None:
    whole = stored.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    changed = [whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :] for at in range(len(whole))]
    refused = 0
    for data in cut + changed:
        stored.write_bytes(data)
        found = weights(0)
        try:
            history = Checkpoint(stored, KEY, found).history
        except OtherTraining:
            refused += 1
            assert not any(one.values.any() for one in found)
        else:
            assert history == HISTORY
            assert all((one.values == 1).all() for one in found)
    assert refused > len(cut) + len(whole) // 2
