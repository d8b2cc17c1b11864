"""Data sets for training and evaluation, under each kind of name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.errors import SetupError
from shared.messages.model_card import Preprocessing
from shared.messages.training import FASHION_MNIST
from shared.recipes import RECIPES
from worker.datasets import fashion_mnist, load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.load import Loaded


@pytest.fixture(scope="module")
def fashion(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return _fashion(tmp_path_factory.mktemp("scratch"))


def _fashion(scratch: Path, spec: Preprocessing | None = None) -> Loaded:
    try:
        fashion_mnist.load("train", download=False)
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")
    return load.load(LabelledData(FASHION_MNIST), RECIPES["fast"].size, spec, scratch)


def test_fashion_mnist_is_split_as_for_every_published_version(fashion: Loaded) -> None:
    assert fashion.report.training == (5500,) * 10
    assert fashion.report.heldout == (500,) * 10
    assert fashion.report.test == (1000,) * 10
    assert fashion.report.shape == (28, 28, 1)
    assert fashion.report.labels == fashion_mnist.LABELS
    assert fashion.data.heldout is not None
    assert fashion.data.heldout.fingerprint().startswith("f9df0d2d129385d7")
    assert fashion.data.preprocessing == fashion_mnist.PREPROCESSING
    assert fashion.data.pixel_bounds == fashion_mnist.PIXEL_BOUNDS


def test_a_version_with_inversion_gets_fashion_mnist_inverted(
    fashion: Loaded, tmp_path: Path
) -> None:
    negated = _fashion(tmp_path, Preprocessing(28, 28, 1, invert=True)).data.test
    assert negated is not None
    assert fashion.data.test is not None
    np.testing.assert_array_equal(negated.images, 255 - fashion.data.test.images)


def test_a_version_of_another_size_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="--data"):
        _fashion(tmp_path, Preprocessing(96, 96, 3))
