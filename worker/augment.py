"""One epoch of training images, mirrored and moved, made anew from the originals each time."""

from __future__ import annotations

import numpy as np

from worker.examples import Images
from worker.recipes import Recipe


def augmented(images: Images, recipe: Recipe, seed: int, epoch: int) -> Images:
    """A changed copy of images uint8 [n, H, W, C] for epoch 0, 1, ...

    A pure function of its arguments, so that a resumed training sees the same images.
    """
    rng = np.random.default_rng([seed, epoch])
    if recipe.flip:
        images = _mirrored(images, seed, epoch)
    if recipe.shift_pixels:
        images = _moved(images, recipe.shift_pixels, rng)
    return images


def _mirrored(images: Images, seed: int, epoch: int) -> Images:
    """Every image in every second epoch: each view is seen as often as the other.

    Better than a coin per epoch: https://github.com/KellerJordan/cifar10-airbench
    """
    first = np.random.default_rng(seed).random(len(images)) < 0.5
    mirror = first if epoch % 2 == 0 else ~first
    return np.where(mirror[:, None, None, None], images[:, :, ::-1], images)


def _moved(images: Images, pixels: int, rng: np.random.Generator) -> Images:
    """By -pixels to pixels in both directions; what comes in from outside is 0."""
    count, height, width, _ = images.shape
    border = (pixels, pixels)
    padded = np.pad(images, ((0, 0), border, border, (0, 0)))
    down, right = rng.integers(0, 2 * pixels + 1, (2, count))
    moved = np.empty_like(images)
    for y in range(2 * pixels + 1):
        for x in range(2 * pixels + 1):
            chosen = (down == y) & (right == x)
            moved[chosen] = padded[chosen, y : y + height, x : x + width]
    return moved
