"""The epochs of a training fit into its time, and stay the same in a later attempt."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.recipes import RECIPES, Recipe
from worker.learners.stored_views import VIEWS
from worker.learners.time_limit import Pace, timed, within
from worker.training.schedule import batch_size, plan

PACE_IMAGES = 64
SHARE = 0.8
FINE = RECIPES["photo-fine"]


COMMAND = "hangtag train photos --recipe photo-fine"


@given(st.integers(20, 50_000), st.floats(1, 3600), st.floats(1e-4, 1.0), st.floats(0, 0.1))
def test_the_epochs_take_no_longer_than_the_time_and_are_not_fewer_than_needed(
    images: int, seconds: float, step_s: float, view_s: float
) -> None:
    def cost_s(epochs: int) -> float:
        return images * (step_s * epochs + view_s * min(VIEWS, epochs))

    pace = Pace(step_s, view_s)
    assume(not any(math.isclose(cost_s(epochs), SHARE * seconds) for epochs in range(1, 99)))
    if cost_s(1) > SHARE * seconds:
        seconds = 60 * _minutes_named(images, seconds, pace)
    limited = _limited(images, seconds, pace)
    epochs, all_epochs = plan(limited, images).epochs, plan(FINE, images).epochs
    assert 1 <= epochs <= all_epochs
    assert cost_s(epochs) <= SHARE * seconds
    assert epochs == all_epochs or cost_s(epochs + 1) > SHARE * seconds


def _limited(images: int, seconds: float, pace: Pace) -> Recipe:
    with TemporaryDirectory() as folder:
        return within(FINE, images, 0, seconds, Path(folder), lambda: pace, COMMAND)


def _minutes_named(images: int, seconds: float, pace: Pace) -> int:
    """Those of the command that the error names: not one epoch fits."""
    with pytest.raises(SetupError) as error:
        _limited(images, seconds, pace)
    before, _, minutes = str(error.value).rpartition(" --minutes ")
    assert before.endswith(COMMAND)
    return int(minutes)


def test_an_epoch_that_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SetupError) as error:
        within(FINE, 9000, 0, 300, tmp_path, lambda: Pace(0.06), COMMAND)
    assert str(error.value) == (
        "one epoch of 9,000 photos needs about 12 minutes, and 5 are allowed; allow more with: "
        f"{COMMAND} --minutes 13"
    )
    assert not list(tmp_path.iterdir())


def test_a_later_attempt_measures_nothing_and_has_the_same_epochs(tmp_path: Path) -> None:
    paces = iter([Pace(0.05)])
    first = within(FINE, 1000, 200, 300, tmp_path, lambda: next(paces), COMMAND)
    assert within(FINE, 1000, 200, 300, tmp_path, lambda: next(paces), COMMAND) == first


@given(st.sampled_from(["photo-fine", "photo-scratch"]), st.integers(1, 50_000), st.booleans())
def test_steps_are_timed_with_the_batches_of_the_training(
    name: str, images: int, are_epochs_given: bool
) -> None:
    recipe = RECIPES[name].lasting(3) if are_epochs_given else RECIPES[name]
    few = min(images, PACE_IMAGES)
    real, found = plan(recipe, images), plan(timed(recipe, images), few)
    assert found.epochs == 2
    batch = batch_size(recipe, images)
    assert real.steps == math.ceil(images / batch)
    assert found.steps == math.ceil(few / batch)


def test_an_attempt_with_another_recipe_measures_again(tmp_path: Path) -> None:
    """As after an update of Hangtag that changes it."""
    assert within(FINE, 1000, 200, 300, tmp_path, lambda: Pace(0.2), COMMAND).epochs == 1
    other = msgspec.structs.replace(FINE, learned_blocks=1)
    assert within(other, 1000, 200, 300, tmp_path, lambda: Pace(0.1), COMMAND).epochs == 2


def test_without_a_limit_nothing_is_measured(tmp_path: Path) -> None:
    paces: list[Pace] = []
    assert within(FINE, 1000, 200, 0, tmp_path, paces.pop, COMMAND) == FINE
