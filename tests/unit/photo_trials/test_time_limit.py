"""The epochs of a training fit into its time, and stay the same in a later attempt."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from worker.photo_trials.time_limit import SHARE, within
from worker.recipes.recipes import RECIPES
from worker.training.schedule import plan

FINE = RECIPES["photo-fine"]


@given(st.integers(20, 50_000), st.floats(1, 3600), st.floats(1e-4, 1.0))
def test_the_epochs_take_no_longer_than_the_time_and_are_not_fewer_than_needed(
    images: int, seconds: float, pace_s: float
) -> None:
    with TemporaryDirectory() as folder:
        limited = within(FINE, images, 0, seconds, Path(folder), lambda: pace_s)
    epochs, all_epochs = plan(limited, images).epochs, plan(FINE, images).epochs
    cost_s = pace_s * images
    assert epochs <= all_epochs
    assert epochs == 1 or epochs * cost_s <= SHARE * seconds
    assert epochs == all_epochs or (epochs + 1) * cost_s > SHARE * seconds


def test_a_later_attempt_measures_nothing_and_has_the_same_epochs(tmp_path: Path) -> None:
    paces = iter([0.05])
    first = within(FINE, 1000, 200, 300, tmp_path, lambda: next(paces))
    assert within(FINE, 1000, 200, 300, tmp_path, lambda: next(paces)) == first


def test_without_a_limit_nothing_is_measured(tmp_path: Path) -> None:
    paces: list[float] = []
    assert within(FINE, 1000, 200, 0, tmp_path, paces.pop) == FINE
