"""The networks of the recipes, untrained: uint8 images in, logits out."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from worker.examples import Images
from worker.recipes import Recipe

Shape = tuple[int, int, int]  #: height, width, channels
#: Below this, three halvings leave nothing.
SMALLEST_SIDE_PIXELS = 9
#: Per graph call where only answers are wanted. Memory, not speed, speaks against more.
ANSWER_IMAGES = 1000
#: Follows the weights within one epoch of 100 steps (Keras' default needs 700 steps).
STATISTICS_MOMENTUM = 0.9


def build(recipe: Recipe, shape: Shape, classes: int) -> keras.Model:
    """uint8 [n, *shape] to float32 logits [n, classes]; initialised from Keras' global seed.

    Raises:
        SetupError: the images are too small for the network.
    """
    builder = {"dense": _dense, "small_conv": _small_conv}[recipe.network]
    images = keras.Input(shape, dtype="uint8", name="images")
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(images)
    features = builder(scaled, recipe.widths, shape)
    logits = keras.layers.Dense(classes, name="logits")(features)
    return keras.Model(images, logits, name=recipe.network)


def logits(network: keras.Model, images: Images) -> npt.NDArray[np.float32]:
    """float32 [n, classes] of images uint8 [n, H, W, C]."""
    answers: npt.NDArray[np.float32] = network.predict(images, batch_size=ANSWER_IMAGES, verbose=0)
    return answers


def _dense(values: keras.KerasTensor, widths: tuple[int, ...], _: Shape) -> keras.KerasTensor:
    values = keras.layers.Flatten(name="flatten")(values)
    for number, width in enumerate(widths, 1):
        values = keras.layers.Dense(width, activation="relu", name=f"dense_{number}")(values)
    return values


def _small_conv(
    values: keras.KerasTensor, widths: tuple[int, ...], shape: Shape
) -> keras.KerasTensor:
    """Airbench's shape: a 2x2 stem, groups of two 3x3 convolutions, the maximum over places."""
    if min(shape[:2]) < SMALLEST_SIDE_PIXELS:
        raise SetupError(
            f"images of {shape[0]}x{shape[1]} pixels are too small for this recipe; "
            f"give it {SMALLEST_SIDE_PIXELS}x{SMALLEST_SIDE_PIXELS} or more, or use `tutorial`"
        )
    values = keras.layers.Conv2D(8 * shape[2], 2, activation="gelu", name="stem")(values)
    for number, width in enumerate(widths, 1):
        values = _convolution(values, width, f"group_{number}_a", halve=True)
        values = _convolution(values, width, f"group_{number}_b", halve=False)
    return keras.layers.GlobalMaxPooling2D(name="maximum")(values)


def _convolution(
    values: keras.KerasTensor, width: int, name: str, *, halve: bool
) -> keras.KerasTensor:
    layers = keras.layers
    values = layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(values)
    if halve:
        # Before the statistics and the activation: a quarter of their work.
        values = layers.MaxPooling2D(2, name=f"{name}_halve")(values)
    values = layers.BatchNormalization(momentum=STATISTICS_MOMENTUM, name=f"{name}_norm")(values)
    return layers.Activation("gelu", name=f"{name}_gelu")(values)
