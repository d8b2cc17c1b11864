"""Held-out images stay held out."""

from __future__ import annotations

import numpy as np
import pytest

from shared.errors import SetupError
from worker.datasets import fashion_mnist
from worker.datasets.examples import Examples, hold_out


def _examples(seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (200, 4, 4, 1)).astype(np.uint8)
    return Examples(images, rng.integers(0, 3, 200))


def test_the_same_image_is_never_on_both_sides() -> None:
    examples = _examples(3)
    doubled = Examples(*(np.concatenate([part, part]) for part in examples))
    learn, held = hold_out(doubled)
    assert len(learn.labels) + len(held.labels) == 400
    seen = {image.tobytes() + bytes([label]) for image, label in zip(*learn, strict=True)}
    assert not any(
        image.tobytes() + bytes([label]) in seen for image, label in zip(*held, strict=True)
    )


def test_five_hundred_of_each_class_of_fashion_mnist_are_held_out() -> None:
    try:
        examples = Examples.from_arrays(*fashion_mnist.load("train", download=False))
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")
    learn, held = hold_out(examples)
    assert np.bincount(held.labels).tolist() == [500] * 10
    assert len(learn.labels) == 55_000
    # Changing this changes the images on which every published version was measured.
    assert held.fingerprint().startswith("f9df0d2d129385d7")
