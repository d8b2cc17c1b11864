"""An exported version: int8 unless it costs accuracy, fitted on what is served."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import SetupError
from shared.messages.model_card import Card, PrecisionTrial, Preprocessing
from shared.registry import packaged
from worker.datasets.examples import Examples
from worker.evaluation.metrics import score
from worker.graphs import precision
from worker.graphs.export import (
    COMPARING,
    CONVERTING,
    CONVERTING_INT8,
    check_agreement,
    export,
    export_unlabelled,
)
from worker.graphs.served import Served
from worker.runtimes import load_runtime

#: Keras 3.15 saves with calls that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
SIDE = 4


@pytest.fixture(scope="module")
def card() -> Card:
    return msgspec.structs.replace(
        packaged.card(), labels=("dark", "bright"), preprocessing=Preprocessing(SIDE, SIDE, 1)
    )


@pytest.fixture(scope="module")
def held() -> Examples:
    """Noise that is darker or brighter than grey, some of it only a little."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 600)
    level = 127.5 + np.where(labels, 1, -1) * rng.uniform(0, 60, 600)
    images = level[:, None, None, None] + rng.normal(0, 20, (600, SIDE, SIDE, 1))
    return Examples(images.clip(0, 255).astype(np.uint8), labels)


def network(loud: float = 1.0) -> keras.Model:
    """Compares the brightness with grey. Beside it a layer has a value `loud` times as large."""
    images = keras.Input((SIDE, SIDE, 1), dtype="uint8", name="images")
    values = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255, offset=-0.5)(images))
    inner, outer = keras.layers.Dense(2), keras.layers.Dense(2)
    model = keras.Model(images, outer(inner(values)))
    pixels = SIDE * SIDE
    inner.set_weights([np.array([[1 / pixels, loud / pixels]] * pixels), np.zeros(2)])
    outer.set_weights([np.array([[-20.0, 20.0], [0.0, 0.0]]), np.zeros(2)])
    return model


def exported(
    card: Card,
    held: Examples,
    wish: precision.Requested,
    loud: float = 1.0,
    on_part: Callable[[str], None] = lambda name: None,
) -> Served:
    return export(network(loud), card, held, held.images[:100], requested=wish, on_part=on_part)


class Automatic(NamedTuple):
    """An export that chooses the precision, and the parts that it reported."""

    served: Served
    parts: list[str]


@pytest.fixture(scope="module")
def automatic(card: Card, held: Examples) -> Automatic:
    parts: list[str] = []
    return Automatic(exported(card, held, "auto", on_part=parts.append), parts)


def test_int8_is_served_if_it_costs_no_accuracy(
    card: Card, held: Examples, automatic: Automatic
) -> None:
    served, parts = automatic
    assert parts == [CONVERTING, COMPARING, CONVERTING_INT8]
    trial = served.card.precision_trial
    assert trial is not None
    assert served.card.precision == "int8"
    assert trial.count == len(held.labels)
    assert trial.fp32_accuracy == pytest.approx(trial.int8_accuracy, abs=0.02)
    other = exported(card, held, "fp32")
    assert other.card.precision == "fp32"
    assert other.card.precision_trial is None
    assert other.files["model.tflite"] != served.files["model.tflite"]


def test_int8_is_not_served_if_it_costs_accuracy_unless_requested(
    card: Card, held: Examples
) -> None:
    served = exported(card, held, "auto", loud=1e4)
    trial = served.card.precision_trial
    assert trial is not None
    assert served.card.precision == "fp32"
    assert trial.int8_accuracy < trial.fp32_accuracy - 0.2
    assert "points" in served.card.precision_why
    requested = exported(card, held, "int8", loud=1e4)
    assert requested.card.precision == "int8"
    assert requested.card.precision_trial == trial


def test_everything_is_fitted_on_the_file_that_is_served(
    held: Examples, automatic: Automatic
) -> None:
    served = automatic.served
    loaded = load_runtime.load("litert", served.card, served.files["model.tflite"])
    assert loaded.logits(held.images).tobytes() == served.logits.tobytes()
    found = score(loaded.predict(held.images), held.labels)
    assert found.accuracy == (served.logits.argmax(1) == held.labels).mean() > 0.8
    for change in (0.5, 2.0):
        other = msgspec.structs.replace(served.card, temperature=served.card.temperature * change)
        warmer = load_runtime.load("litert", other, served.files["model.tflite"])
        assert score(warmer.predict(held.images), held.labels).loss > found.loss
    assert [point.precision for point in served.card.operating_points] == [0.9, 0.95, 0.98, 0.99]


def test_without_labels_fp32_is_served_uncalibrated_and_no_file_is_left(
    card: Card, held: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AutoGraph leaves one for each function, where a trainer's processes end without `atexit`."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = export_unlabelled(network(), card, held.images)
    assert list(tmp_path.iterdir()) == []
    assert (served.card.precision, served.card.temperature) == ("fp32", 1.0)
    assert served.card.operating_points == ()
    assert "unknown" in served.card.precision_why


counts = st.integers(1, 2000)


@given(counts, st.data())
def test_the_choice_follows_the_paired_loss(count: int, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    labels = rng.integers(0, 3, count)
    fp32, int8 = (np.eye(3, dtype=np.float32)[labels] for _ in range(2))
    wrong = data.draw(st.integers(0, count))
    int8[:wrong] = -int8[:wrong]
    trial = precision.compare(fp32, int8, labels)
    loss = wrong / count
    assert trial.fp32_accuracy - trial.int8_accuracy == pytest.approx(loss)
    assert trial.differ == pytest.approx(loss)
    assert trial.error == pytest.approx(np.sqrt(loss * (1 - loss) / count))
    more = trial.int8_loss - trial.fp32_loss
    worse = loss > 0.002 + trial.error or more > 0.02 + trial.loss_error
    expected = "fp32" if worse else "int8"
    assert precision.choose("auto", trial).precision == expected


def test_int8_that_is_right_but_cannot_rank_is_not_served() -> None:
    """As a quantized softmax: every probability is near 0 or 1."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 3000)
    fp32 = rng.normal(0, 1, (3000, 3)).astype(np.float32) + 2 * np.eye(3, dtype=np.float32)[labels]
    trial = precision.compare(fp32, np.eye(3, dtype=np.float32)[fp32.argmax(1)], labels)
    assert trial.fp32_accuracy == trial.int8_accuracy
    assert precision.choose("auto", trial).precision == "fp32"


@pytest.mark.parametrize("wish", ["fp32", "int8"])
def test_a_requested_precision_is_served(wish: precision.Requested) -> None:
    trial = PrecisionTrial(100, 0.9, 0.1, 0.1, 2.0, 0.9, 0.03)
    assert precision.choose(wish, trial).precision == wish


def test_a_runtime_that_disagrees_is_refused() -> None:
    one = np.array([[0.6, 0.4]], np.float32)
    with pytest.raises(SetupError, match="disagree"):
        check_agreement(one, one[:, ::-1])
