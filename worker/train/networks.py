"""The networks of the recipes, untrained: uint8 images in, logits out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from shared.errors import SetupError
from shared.recipes import Recipe
from worker.datasets.examples import Images

Shape = tuple[int, int, int]  #: height, width, channels
#: Three halvings of a smaller side leave no pixel.
SMALLEST_SIDE_PIXELS = 9
#: Limits per graph call for prediction. Memory, not speed, is the reason.
PREDICT_IMAGES = 1000
PREDICT_VALUES = 1 << 22
#: Adapts to the weights within one epoch of 100 steps (Keras' default needs 700 steps).
STATISTICS_MOMENTUM = 0.9
#: Names of Keras dtype policies.
EXACT, MIXED = "float32", "mixed_bfloat16"
CPU_FLAGS = Path("/proc/cpuinfo")
#: CPU flags of bfloat16 multiplication; without them it is emulated, and slower than float32.
FAST = {"avx512_bf16", "amx_bf16"}


def build(recipe: Recipe, shape: Shape, classes: int, precision: str = EXACT) -> keras.Model:
    """uint8 [n, *shape] to float32 logits [n, classes]; initialised from Keras' global seed.

    `precision` is the name of a Keras dtype policy; the weights are float32 under each.

    Raises:
        SetupError: the images are too small for the network.
    """
    builder = {"dense": _dense, "small_conv": _small_conv, "residual": _residual}[recipe.network]
    images = keras.Input(shape, dtype="uint8", name="images")
    with _policy(precision):
        scaled = keras.layers.Rescaling(1 / 255, name="scale")(images)
        features = builder(scaled, recipe, shape)
    logits = keras.layers.Dense(classes, name="logits", dtype="float32")(features)
    return keras.Model(images, logits, name=recipe.network)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def logits(network: keras.Model, images: Images) -> npt.NDArray[np.float32]:
    """float32 [n, classes] of images uint8 [n, H, W, C]."""
    # In parts: Keras copies its input, which may be a mapped file larger than the memory.
    call = max(1, min(PREDICT_IMAGES, PREDICT_VALUES // int(np.prod(images.shape[1:]))))
    parts = [
        network.predict_on_batch(images[start : start + call])
        for start in range(0, len(images), call)
    ]
    return np.concatenate(parts)


def _dense(values: keras.KerasTensor, recipe: Recipe, _: Shape) -> keras.KerasTensor:
    values = keras.layers.Flatten(name="flatten")(values)
    for number, width in enumerate(recipe.widths, 1):
        values = keras.layers.Dense(width, activation="relu", name=f"dense_{number}")(values)
    return values


def _small_conv(values: keras.KerasTensor, recipe: Recipe, shape: Shape) -> keras.KerasTensor:
    """As in airbench: a 2x2 stem, groups of two 3x3 convolutions, global max pooling."""
    if min(shape[:2]) < SMALLEST_SIDE_PIXELS:
        raise SetupError(
            f"images of {shape[0]}x{shape[1]} pixels are too small for this recipe; "
            f"give it {SMALLEST_SIDE_PIXELS}x{SMALLEST_SIDE_PIXELS} or more, or use `tutorial`"
        )
    values = keras.layers.Conv2D(8 * shape[2], 2, activation="relu", name="stem")(values)
    for number, width in enumerate(recipe.widths, 1):
        values = _convolution(values, width, f"group_{number}_a", halve=True)
        values = _convolution(values, width, f"group_{number}_b", halve=False)
    return keras.layers.GlobalMaxPooling2D(name="maximum")(values)


def _convolution(
    values: keras.KerasTensor, width: int, name: str, *, halve: bool
) -> keras.KerasTensor:
    layers = keras.layers
    values = layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(values)
    if halve:
        # Before normalization and activation, which then take a quarter of the time.
        values = layers.MaxPooling2D(2, name=f"{name}_halve")(values)
    values = layers.BatchNormalization(momentum=STATISTICS_MOMENTUM, name=f"{name}_norm")(values)
    return layers.Activation("relu", name=f"{name}_relu")(values)


def _residual(values: keras.KerasTensor, recipe: Recipe, shape: Shape) -> keras.KerasTensor:
    """Residual blocks of two 3x3 convolutions; the image is halved at each new width."""
    values = _normed(values, recipe.widths[0], 3, "stem")
    values = keras.layers.Activation("relu", name="stem_relu")(values)
    for stage, (width, blocks) in enumerate(zip(recipe.widths, recipe.blocks, strict=True), 1):
        for block in range(1, blocks + 1):
            halve = stage > 1 and block == 1
            values = _block(values, width, f"block_{stage}_{block}", halve=halve)
    return keras.layers.GlobalAveragePooling2D(name="mean")(values)


def _block(values: keras.KerasTensor, width: int, name: str, *, halve: bool) -> keras.KerasTensor:
    layers = keras.layers
    inner = _normed(values, width, 3, f"{name}_a", strides=2 if halve else 1)
    inner = layers.Activation("relu", name=f"{name}_a_relu")(inner)
    inner = _normed(inner, width, 3, f"{name}_b")
    if halve:
        values = layers.AveragePooling2D(2, padding="same", name=f"{name}_halve")(values)
    if values.shape[-1] != width:
        values = _normed(values, width, 1, f"{name}_by")
    return layers.Activation("relu", name=f"{name}_relu")(
        layers.Add(name=f"{name}_add")([values, inner])
    )


def _normed(
    values: keras.KerasTensor, width: int, side: int, name: str, strides: int = 1
) -> keras.KerasTensor:
    layers = keras.layers
    values = layers.Conv2D(width, side, strides=strides, padding="same", use_bias=False, name=name)(
        values
    )
    return layers.BatchNormalization(momentum=STATISTICS_MOMENTUM, name=f"{name}_norm")(values)


def precision_of(recipe: Recipe) -> str:
    """The dtype policy to train this recipe on this machine: bfloat16 if it is faster."""
    return MIXED if recipe.mixed and (_has_gpu() or _multiplies_bfloat16()) else EXACT


def _has_gpu() -> bool:
    return bool(tf.config.list_physical_devices("GPU"))


def _multiplies_bfloat16() -> bool:
    try:
        lines = CPU_FLAGS.read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags")), "")
    return bool(FAST & set(flags.split()))
