"""A foreign Keras classifier becomes a version with the same results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from shared.errors import SetupError
from shared.messages.model_name import parse
from shared.messages.replies import Trained
from shared.messages.requests import Import
from shared.registry.mirror_reader import Mirror
from shared.registry.registry import Registry
from tests.support.images import hostile_keras_archives
from tests.support.jobs import handler_context
from tests.support.servers.redis_server import RedisServer
from worker.graphs import keras_import
from worker.requests import import_model
from worker.runtimes import load_runtime
from worker.runtimes.runtime import softmax

NAME = "mine"
LABELS = ("bag", "dress", "sandal")
SHAPE = (12, 12, 1)
layers = keras.layers


@pytest.fixture(autouse=True)
def same_weights() -> None:
    keras.utils.set_random_seed(7)


def network(*middle: Any, last: str | None = None, shape: tuple[int, ...] = SHAPE) -> Any:
    return keras.Sequential(
        [keras.Input(shape), *middle, layers.Flatten(), layers.Dense(3, activation=last)]
    )


def imported(
    server: RedisServer, tmp_path: Path, model: Any, **options: Any
) -> tuple[Trained, handler_context.Notes]:
    """The handler's reply for a model, and its progress."""
    archive = hostile_keras_archives.saved(model, tmp_path)
    fields = {"name": NAME, "labels": LABELS, **options}
    work = Import(**{"sha256": hashlib.sha256(archive).hexdigest()} | fields)
    context, notes = handler_context.make(server, tmp_path / "store", work, archive)
    result = import_model.import_model(context, work).answer
    assert isinstance(result, Trained)
    return result, notes


def served(server: RedisServer, model: str, images: np.ndarray[Any, Any]) -> Any:
    """The results of a worker that reads the model from Redis alone."""
    card = Mirror(server.client).resolve(parse(model))
    artifact = Mirror(server.client).read(card, "model.tflite")
    return load_runtime.load("litert", card, artifact).predict(images)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_probabilities_are_served_unchanged(server: RedisServer, tmp_path: Path) -> None:
    """With the leftovers of a training: an optimizer, dropout, random augmentation."""
    model = network(
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(0.2),
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 3, activation="relu"),
        layers.Dropout(0.5),
        last="softmax",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.build(model.trainable_variables)
    images = keras_import.probes(SHAPE)
    trained, notes = imported(server, tmp_path, model)
    expected = model.predict(images.astype(np.float32), verbose=0)
    np.testing.assert_allclose(served(server, f"{NAME}@1", images), expected, atol=1e-4)
    assert trained.metrics.heldout_count == 0
    assert trained.decision.changed, "the first version of a name is production"
    card = Mirror(server.client).resolve(parse(NAME))
    assert (card.labels, card.temperature, card.recipe) == (LABELS, 1.0, "imported")
    assert "not evaluated" in card.notes
    assert notes.confirmed
    assert notes.stages[0] == "loading"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_logits_get_a_softmax_and_inputs_are_scaled(server: RedisServer, tmp_path: Path) -> None:
    model = network(layers.Conv2D(4, 3, activation="relu"))
    images = keras_import.probes(SHAPE)
    imported(server, tmp_path, model, scale="-1-1")
    logits = model.predict(images.astype(np.float32) / 127.5 - 1, verbose=0)
    np.testing.assert_allclose(served(server, f"{NAME}@1", images), softmax(logits), atol=1e-4)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Do not pass an `input_shape`:UserWarning")
@pytest.mark.parametrize("trained", [False, True])
def test_the_tutorials_network_takes_grey_images_without_a_channel(
    server: RedisServer, tmp_path: Path, trained: bool
) -> None:
    """The network of TensorFlow's tutorial on the classification of clothing."""
    model = keras.Sequential(
        [
            layers.Flatten(input_shape=(28, 28)),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )
    images = keras_import.probes((28, 28, 1))
    grey = images[..., 0] / np.float32(255)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    if trained:
        model.fit(grey, np.arange(len(grey)) % 10, verbose=0)
    imported(server, tmp_path, model, labels=tuple("abcdefghij"), scale="0-1")
    expected = softmax(model.predict(grey, verbose=0))
    np.testing.assert_allclose(served(server, f"{NAME}@1", images), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize(
    ("make", "options", "line"),
    [
        (lambda: network(last="sigmoid"), {}, "ends in sigmoid"),
        (lambda: network(last="relu"), {}, "ends in relu"),
        (network, {"labels": ("bag", "dress")}, r"returns \[n, 3\], and there are 2 labels"),
        (lambda: network(shape=(12, 12, 4)), {}, r"takes \[n, 12, 12, 4\]"),
        (lambda: network(shape=(144,)), {}, r"takes \[n, 144\]"),
        (
            lambda: keras.Sequential(
                [keras.Input((None, None, 1)), layers.GlobalMaxPooling2D(), layers.Dense(3)]
            ),
            {},
            r"takes \[n, n, n, 1\]",
        ),
        (lambda: network(layers.Lambda(abs)), {}, "which Hangtag does not load"),
        (network, {"sha256": "0" * 64}, "^the file is not the one that was sent; import it again"),
    ],
    ids=["sigmoid", "relu", "labels", "channels", "no-image", "any-size", "lambda", "other bytes"],
)
def test_an_unsuitable_model_is_reported_in_one_line_and_not_published(
    server: RedisServer,
    tmp_path: Path,
    make: Callable[[], Any],
    options: dict[str, Any],
    line: str,
) -> None:
    with pytest.raises(SetupError, match=line) as error:
        imported(server, tmp_path, make(), **options)
    assert str(error.value).isprintable()
    assert Registry(tmp_path / "store").versions(NAME) == []
