"""Training: the same seed gives the same network, in one go or resumed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from shared.errors import SetupError
from worker import recipes
from worker.examples import Examples
from worker.export import compare
from worker.heldout import split
from worker.recipes import RECIPES, Recipe
from worker.schedule import plan, rate
from worker.train import Epoch, Trained, train

EPOCHS = 3
RECIPE = msgspec.structs.replace(
    RECIPES["fast"].lasting(EPOCHS), widths=(4,), batch=10, average=0.5, erase=0.5
)


class Killed(Exception):
    """Stands for the death of a trainer between two epochs."""


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Dark and bright noise: easy to tell apart."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    images = rng.integers(0, 100, (300, 12, 12, 1)) + 155 * labels[:, None, None, None]
    return Examples(images.astype(np.uint8), labels)


def _train(examples: Examples, seed: int, state: Path | None = None, last: int = EPOCHS) -> Trained:
    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == last < EPOCHS:
            raise Killed

    return train(RECIPE, *split(examples), 2, seed, state=state, on_epoch=on_epoch)


def _weights(trained: Trained) -> bytes:
    return b"".join(variable.numpy().tobytes() for variable in trained.network.variables)


def test_a_resumed_training_ends_with_the_weights_of_one_in_one_go(
    examples: Examples, tmp_path: Path
) -> None:
    whole = _train(examples, 1)
    for last in range(1, EPOCHS):
        with pytest.raises(Killed):
            _train(examples, 1, tmp_path / "state", last)
    resumed = _train(examples, 1, tmp_path / "state")
    assert _weights(resumed) == _weights(whole)
    assert [epoch.number for epoch in resumed.history] == [1, 2, 3]
    assert [epoch.loss for epoch in resumed.history] == [epoch.loss for epoch in whole.history]


def test_the_state_of_another_training_is_refused(examples: Examples, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        _train(examples, 1, tmp_path / "state", 1)
    with pytest.raises(SetupError, match="belongs to another training"):
        _train(examples, 2, tmp_path / "state")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_rate_stays_between_nothing_and_its_peak(recipe: Recipe) -> None:
    played = plan(recipe, 10_000)
    rates = [rate(recipe, played, done) for done in np.linspace(0, 1, 101)]
    assert max(rates) == pytest.approx(recipe.peak_rate)
    assert min(rates) >= 0
    assert not recipe.one_cycle or rates[-1] == 0


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(SetupError, match="tutorial, fast"):
        recipes.find("resnet")


def test_images_too_small_for_the_network_are_refused() -> None:
    tiny = Examples(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(SetupError, match="too small"):
        train(RECIPE, tiny, tiny, 2, 1)


@pytest.mark.parametrize("wrong", [np.nan, 2e-4])
def test_runtimes_that_disagree_are_refused(wrong: float) -> None:
    first = np.array([[0.7, 0.3], [0.4, 0.6]], np.float32)
    compare(first, first + np.float32(5e-5))
    with pytest.raises(SetupError, match="disagree"):
        compare(first, first + np.float32(wrong))
