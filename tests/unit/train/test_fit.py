"""Training: the same seed gives the same network, in one run or resumed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import msgspec
import numpy as np
import pytest
import tensorflow as tf

from shared.errors import SetupError
from shared.recipes import RECIPES
from worker.datasets.examples import Examples, hold_out
from worker.evaluation.metrics import Epoch
from worker.graphs.export import check_agreement
from worker.runtimes.runtime import softmax
from worker.train import epoch, networks
from worker.train.epoch import Step, train_epoch
from worker.train.fit import TrainedNetwork, _exact, train
from worker.train.schedule import plan

EPOCHS = 3
RECIPE = msgspec.structs.replace(
    RECIPES["fast"].lasting(EPOCHS), widths=(4,), batch=10, average=0.5, erase=0.5
)

ONE_EPOCH = RECIPE.lasting(1)
#: For tests that do not depend on the network: it is traced quickly.
DENSE = msgspec.structs.replace(ONE_EPOCH, network="dense")
#: The same in a third of the steps.
SHORT = msgspec.structs.replace(RECIPE, batch=100)


class Killed(Exception):
    """Represents the death of a trainer between two epochs."""


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Dark and bright noise, which is easy to distinguish."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 300)
    images = rng.integers(0, 100, (300, 12, 12, 1)) + 155 * labels[:, None, None, None]
    return Examples(images.astype(np.uint8), labels)


class Finished(NamedTuple):
    """The history of a training, its weights, and the file of its last checkpoint."""

    history: list[Epoch]
    weights: bytes
    file: Path


@pytest.fixture(scope="module")
def finished(examples: Examples, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A training of one epoch with seed 1 and without options."""
    file = tmp_path_factory.mktemp("finished") / "state"
    trained = train(DENSE, examples, examples, 2, 1, state=file)
    return Finished(trained.history, _weights(trained), file)


@pytest.fixture
def state(finished: Finished, tmp_path: Path) -> Path:
    """A copy of its checkpoint."""
    return Path(shutil.copy(finished.file, tmp_path / "state"))


def _weights(trained: TrainedNetwork) -> bytes:
    return b"".join(variable.numpy().tobytes() for variable in trained.network.variables)


def test_a_resumed_training_ends_with_the_weights_of_an_uninterrupted_one(
    examples: Examples, tmp_path: Path
) -> None:
    def after(last: int) -> TrainedNetwork:
        def on_epoch(epoch: Epoch) -> None:
            if epoch.number == last < EPOCHS:
                raise Killed

        state = tmp_path / "state"
        return train(SHORT, *hold_out(examples), 2, 1, state=state, on_epoch=on_epoch)

    uninterrupted = train(SHORT, *hold_out(examples), 2, 1)
    with pytest.raises(Killed):
        after(1)  # a second interruption: the next test
    resumed = after(EPOCHS)
    assert _weights(resumed) == _weights(uninterrupted)
    assert [epoch.number for epoch in resumed.history] == [1, 2, 3]
    losses = [epoch.loss for epoch in uninterrupted.history]
    assert [epoch.loss for epoch in resumed.history] == losses


def test_the_state_of_another_training_is_refused(examples: Examples, state: Path) -> None:
    with pytest.raises(SetupError, match="belongs to another training"):
        train(DENSE, examples, examples, 2, 2, state=state)


def test_a_training_from_files_ends_with_the_weights_of_one_in_memory(
    examples: Examples, finished: Finished, tmp_path: Path
) -> None:
    examples.images.tofile(tmp_path / "pixels")
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "r").reshape(examples.images.shape)
    from_files = train(DENSE, Examples(mapped, examples.labels), examples, 2, 1)
    assert _weights(from_files) == finished.weights


def test_a_network_that_was_trained_in_bfloat16_is_exported_in_float32() -> None:
    def make(precision: str) -> keras.Model:
        return networks.build(DENSE, (12, 12, 1), 2, precision)

    fast, exact = make(networks.MIXED), make(networks.EXACT)
    found = _exact(fast, make)
    assert {layer.compute_dtype for layer in found.layers} <= {networks.EXACT, "uint8"}
    for one, other in zip(found.get_weights(), fast.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert _exact(exact, make) is exact


def test_no_images_are_one_line(examples: Examples) -> None:
    none = examples.selected(np.zeros(300, bool))
    for learned, heldout in ((examples, none), (none, examples)):
        with pytest.raises(SetupError, match="no images"):
            train(DENSE, learned, heldout, 2, 1)


def _epoch_of(examples: Examples, on_step: Callable[[Step], None]) -> None:
    """An epoch of 30 steps that learn nothing."""
    played = plan(DENSE.lasting(EPOCHS), len(examples.labels))
    sums = tf.constant([7.0, 5.0], tf.float64)
    train_epoch(lambda images, labels, rate: sums, examples, DENSE, played, 1, 1, on_step)


def test_steps_are_reported_and_may_stop_a_training(
    examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Step] = []
    _epoch_of(examples, reported.append)
    assert len(reported) < 30, "a few a second are enough"
    reported.clear()
    monkeypatch.setattr(epoch, "STEP_INTERVAL_S", 0.0)

    def on_step(step: Step) -> None:
        reported.append(step)
        if step.step == 7:
            raise Killed

    with pytest.raises(Killed):
        _epoch_of(examples, on_step)
    assert [(step.epoch, step.step) for step in reported] == [(2, n) for n in range(1, 8)]
    assert {(step.epochs, step.steps) for step in reported} == {(EPOCHS, 30)}
    assert all((step.loss, step.accuracy) == pytest.approx((0.7, 0.5)) for step in reported)
    # The first one compiles: days were left, by its pace.
    assert all((step.rate > 0) == (step.step > 1) for step in reported)


def test_a_loss_that_is_not_a_number_is_one_line_with_the_fix(examples: Examples) -> None:
    wild = msgspec.structs.replace(DENSE, peak_rate=1e38, warmup_share=0.0)
    with pytest.raises(SetupError) as error:
        train(wild.lasting(20), examples, examples, 2, 1)
    for word in ("not finite", "--seed", "--recipe"):
        assert word in str(error.value)


def test_weighted_classes_have_equal_influence() -> None:
    """The same image in two classes: without weights the larger one wins."""
    images = np.full((100, 4, 4, 1), 100, np.uint8)
    examples = Examples(images, (np.arange(100) < 20).astype(np.int64))
    recipe = msgspec.structs.replace(
        RECIPES["tutorial"].lasting(40), widths=(4,), batch=100, peak_rate=0.1
    )

    def probability(weighted: bool) -> float:
        network = train(recipe, examples, examples, 2, 1, weighted=weighted).network
        return float(softmax(networks.logits(network, images[:1]))[0, 1])

    assert probability(weighted=False) == pytest.approx(0.2, abs=0.03)
    assert probability(weighted=True) == pytest.approx(0.5, abs=0.03)


def test_images_too_small_for_the_network_are_refused() -> None:
    tiny = Examples(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(SetupError, match="too small"):
        train(RECIPE, tiny, tiny, 2, 1)


@pytest.mark.parametrize("wrong", [np.nan, 2e-4])
def test_runtimes_that_disagree_are_refused(wrong: float) -> None:
    first = np.array([[0.7, 0.3], [0.4, 0.6]], np.float32)
    check_agreement(first, first + np.float32(5e-5))
    with pytest.raises(SetupError, match="disagree"):
        check_agreement(first, first + np.float32(wrong))
