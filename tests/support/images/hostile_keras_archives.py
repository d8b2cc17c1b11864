"""`.keras` files that run code, read files or contain false data if Keras opens them.

Each payload creates a file when it runs: `marker`. That the payloads work is tested beside the
tests that none of them runs (tests/unit/classify/test_keras_archive.py).
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

MARKER = "HANGTAG_TEST_MARKER"
SHAPE = (4, 4, 1)
CLASSES = 3

Config = dict[str, Any]


def marked() -> None:
    """The effect of every payload."""
    Path(os.environ[MARKER]).touch()


@keras.saving.register_keras_serializable("evil")
class Evil(keras.layers.Layer):  # type: ignore[misc]
    """A registered class, which Keras instantiates even in safe mode."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        marked()

    def call(self, values: Any) -> Any:
        return values


@keras.saving.register_keras_serializable("evil")
class EvilLoss(keras.losses.Loss):  # type: ignore[misc]
    """The same as a loss in the compile configuration."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        marked()

    def call(self, truth: Any, predictions: Any) -> Any:
        return predictions - truth


def small(*layers: Any) -> Any:
    """A network of SHAPE and CLASSES with these layers in the middle."""
    return keras.Sequential(
        [keras.Input(SHAPE), *layers, keras.layers.Flatten(), keras.layers.Dense(CLASSES)]
    )


def saved(model: Any, folder: Path) -> bytes:
    """The bytes of its `.keras` file."""
    path = folder / "saved.keras"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model.save(path)
    return path.read_bytes()


def with_lambda(folder: Path) -> bytes:
    """A layer of marshalled code."""
    code = "__import__('pathlib').Path(__import__('os').environ['HANGTAG_TEST_MARKER']).touch()"
    function = eval(f"lambda values: ({code}, values)[1]")
    return saved(small(keras.layers.Lambda(function)), folder)


def with_registered(folder: Path) -> bytes:
    """A registered layer."""
    return saved(small(Evil()), folder)


def with_nested(folder: Path) -> bytes:
    """The same, inside a network inside the network."""
    inner = keras.Sequential([keras.Input(SHAPE), keras.Sequential([keras.Input(SHAPE), Evil()])])
    return saved(small(inner), folder)


def with_loss(folder: Path) -> bytes:
    """Harmless layers, compiled with a registered loss."""
    model = small()
    model.compile("adam", EvilLoss())
    model.optimizer.build(model.trainable_variables)
    return saved(model, folder)


def changed(archive: bytes, change: Callable[[Config], object], **members: bytes) -> bytes:
    """An archive with a changed configuration, and replaced or added members."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(data, "w") as new:
        config = json.loads(old.read("config.json"))
        change(config)
        for name in old.namelist():
            if name != "config.json" and name not in members:
                new.writestr(name, old.read(name))
        for name, content in ({"config.json": json.dumps(config).encode()} | members).items():
            new.writestr(name, content)
    return data.getvalue()


def layer(config: Config, class_name: str) -> Config:
    """The configuration of the first layer of this class."""
    return next(one for one in config["config"]["layers"] if one["class_name"] == class_name)
