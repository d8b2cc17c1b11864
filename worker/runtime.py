"""The seam between a worker and what computes: images in, as many rows of probabilities out.

Importing this module loads NumPy and no runtime; `load` imports the one that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shared import installation
from shared.card import Card
from shared.errors import SetupError

Images = npt.NDArray[np.uint8]  #: [n, height, width, channels]
Probabilities = npt.NDArray[np.float32]  #: [n, classes]

#: Images per graph call on a CPU, whatever the size of a message. Needs 74 MB where calls of
#: 1,024 need 180, and is faster, since what one layer hands to the next stays in the cache.
CALL_IMAGES = 64
ARTIFACTS = {"litert": "model.tflite", "tensorflow": "model.keras"}
PACKAGES = {"litert": "ai-edge-litert", "tensorflow": "tensorflow"}


class Runtime(Protocol):
    """A loaded version, warmed and ready."""

    def predict(self, images: Images) -> Probabilities:
        """Probabilities float32 [n, classes] of images uint8 [n, height, width, channels].

        Raises:
            SetupError: the images do not have the shape that the version's card names.
        """


def load(kind: str, card: Card, artifact: bytes) -> Runtime:
    """The version in `artifact` (the file `artifact_name(kind)`), warmed with one call.

    Raises:
        SetupError: the kind is unknown, its package is absent, or the file is refused.
    """
    artifact_name(kind)
    try:
        if kind == "litert":
            from worker.runtime_litert import LiteRT as Kind
        else:
            from worker.runtime_tensorflow import TensorFlow as Kind  # type: ignore[assignment]
    except ImportError as error:
        extra = "worker" if kind == "litert" else "train"
        package = PACKAGES[kind]
        raise SetupError(
            f"the {kind} runtime does not load ({error}); "
            f"install it with: {installation.command(extra, [package])}"
        ) from error
    return Kind(card, artifact)


def artifact_name(kind: str) -> str:
    """The file of a version that a runtime loads.

    Raises:
        SetupError: the kind is unknown.
    """
    try:
        return ARTIFACTS[kind]
    except KeyError:
        raise SetupError(
            f"no runtime is called {kind!r:.40}; choose one of {', '.join(ARTIFACTS)}"
        ) from None


def image_shape(card: Card) -> tuple[int, int, int]:
    """Height, width and channels of one image."""
    wanted = card.preprocessing
    return wanted.height, wanted.width, wanted.channels


def in_calls(
    images: Images, card: Card, call_images: int, call: Callable[[Images], Probabilities]
) -> Probabilities:
    """Answer any number of images by calls of at most `call_images`.

    Raises:
        SetupError: the images do not have the card's shape, or a call not the card's classes.
    """
    shape = image_shape(card)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape:
        raise SetupError(
            f"{card.ref} takes uint8 images [n, {shape[0]}, {shape[1]}, {shape[2]}], "
            f"not {images.dtype} {list(images.shape)}"
        )
    answers = np.empty((len(images), len(card.labels)), np.float32)
    for start in range(0, len(images), call_images):
        part = images[start : start + call_images]
        answers[start : start + len(part)] = call(part)
    return answers


def padded(part: Images, count: int) -> Images:
    """`part` with black images at the end, `count` in all."""
    if len(part) == count:
        return part
    filled = np.zeros((count, *part.shape[1:]), np.uint8)
    filled[: len(part)] = part
    return filled
