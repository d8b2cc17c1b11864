"""Every recipe is trained by the same steps, which report to one observer."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from shared.messages.model_card import Card
from shared.messages.training import Train
from shared.recipes import RECIPES
from shared.registry import packaged
from worker.export.served import Served
from worker.learners.learner import BuiltVersion, Learner, Observer, Task
from worker.learners.network import NO_REPORT

STAGES = ["training", "exporting", "evaluating"]


class Notes(Observer):
    """Notes the stages, and stops at one of them."""

    def __init__(self, last: str = "") -> None:
        self.stages: list[str] = []
        self._last = last

    def stage(self, name: str) -> None:
        self.stages.append(name)
        if name == self._last:
            raise KeyboardInterrupt


class Counting(Learner[int, int]):
    """Adds 1 in each step."""

    def data(self) -> int:
        return 1

    def fit(self, data: int) -> int:
        return data + 1

    def export(self, data: int, fitted: int) -> Served:
        return Served(_card(), {"n": b"%d" % (fitted + 1)}, np.empty((0, 10), np.float32))

    def measure(self, data: int, fitted: int, served: Served) -> BuiltVersion:
        return BuiltVersion(served.card, {**served.files, "m": b"%d" % (data + fitted)})


def _card() -> Card:
    return packaged.card()


def _learner(observer: Observer) -> Learner[Any, Any]:
    work = Train("shoes", "fast", "/photos")
    task = Task(work, RECIPES["fast"], request="r1~0", observer=observer)
    return Counting(task, NO_REPORT, 3)


def test_a_version_is_fitted_exported_and_measured_for_its_request() -> None:
    notes = Notes()
    made = _learner(notes).build()
    assert notes.stages == STAGES
    assert made.files == {"n": b"3", "m": b"3"}
    assert (made.card.request, made.card.source) == ("r1~0", "/photos")


@pytest.mark.parametrize("last", STAGES)
def test_an_observer_stops_a_training_at_each_stage(last: str) -> None:
    notes = Notes(last)
    with pytest.raises(KeyboardInterrupt):
        _learner(notes).build()
    assert notes.stages == STAGES[: STAGES.index(last) + 1]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_each_recipe_names_its_learner(recipe: Any) -> None:
    assert callable(import_module(f"worker.learners.{recipe.learner}").load)
