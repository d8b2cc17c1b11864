"""A built version: both runtimes load the files that the registry accepts."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from shared import runtimes
from shared.messages.model_card import Preprocessing
from shared.messages.replies import Evaluation
from shared.messages.training import Train
from shared.recipes import RECIPES
from worker.datasets.examples import Examples, hold_out
from worker.datasets.load import DataSet
from worker.evaluation.metrics import score
from worker.runtimes import load_runtime
from worker.train.learner import BuiltVersion, Task
from worker.train.network import Network

#: Keras 3.15 saves with calls that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
#: Colour, and not square: nothing may depend on 28x28 grey.
SHAPE = (10, 14, 3)
RECIPE = msgspec.structs.replace(RECIPES["fast"].lasting(2), widths=(4,), batch=50)
WORK = Train("noise", RECIPE.name, "")


def _data(count: int) -> DataSet:
    """Dark and bright noise, which is easy to distinguish."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, count)
    pixels = rng.integers(0, 100, (count, *SHAPE)) + 155 * labels[:, None, None, None]
    examples = Examples.from_arrays(pixels.astype(np.uint8), labels)
    preprocessing = Preprocessing(*SHAPE)
    learn, held = hold_out(examples)
    return DataSet("noise", ("dark", "bright"), learn, examples, preprocessing, held)


@pytest.fixture(scope="module")
def made() -> BuiltVersion:
    return Network(Task(WORK, RECIPE), _data(300)).build()


@pytest.fixture(scope="module")
def fp32() -> BuiltVersion:
    dense = msgspec.structs.replace(RECIPE, network="dense")
    work = msgspec.structs.replace(WORK, precision="fp32")
    return Network(Task(work, dense), _data(300)).build()


@pytest.mark.parametrize("kind", list(runtimes.CHOICES))
def test_both_files_of_a_version_in_fp32_have_the_accuracy_of_its_card(
    fp32: BuiltVersion, kind: str
) -> None:
    found, metrics = _evaluated(fp32, kind), fp32.card.metrics
    assert found.count == metrics.test_count == 300
    assert found.accuracy == pytest.approx(metrics.test_accuracy, abs=0.01)
    assert found.loss == pytest.approx(metrics.test_loss, abs=1e-3)


def test_the_card_of_a_version_in_int8_is_that_of_the_file_that_workers_load(
    made: BuiltVersion,
) -> None:
    assert made.card.precision == "int8"
    found, metrics = _evaluated(made, "litert"), made.card.metrics
    assert found.accuracy == metrics.test_accuracy
    assert found.loss == pytest.approx(metrics.test_loss, abs=1e-6)


def _evaluated(version: BuiltVersion, kind: str) -> Evaluation:
    loaded = load_runtime.load(kind, version.card, version.files[runtimes.find(kind).artifact])
    test = _data(300).test
    assert test is not None
    return score(loaded.predict(test.images), test.labels)
