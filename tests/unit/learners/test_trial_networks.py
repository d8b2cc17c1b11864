"""The network that fine-tuning starts from: a backbone with the head that fits its features."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import msgspec
import numpy as np
import pytest

from shared import recipes
from shared.recipes import Recipe
from tests.support.backbones import short_backbone
from tests.support.backbones.short_backbone import architecture
from worker.backbones import pretrained
from worker.backbones.backbone_table import Backbone
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples, Images
from worker.learners.frozen_part import FrozenPart
from worker.learners.trial_networks import (
    FineNetwork,
    fine_network,
    head_of,
    trial_network,
)
from worker.photo_head.folds import fold_count, folds
from worker.photo_head.out_of_fold import fit_out_of_fold
from worker.training import networks
from worker.training.photo_folder import digest_numbers

CLASSES, STAGES, PHOTOS = 3, 2, 24


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backbone]:
    with short_backbone.in_table(tmp_path_factory.mktemp("backbone"), STAGES) as short:
        yield short


@pytest.fixture(scope="module")
def recipe(backbone: Backbone) -> Recipe:
    """One block stays as it was, and the output of the first that learns is smaller."""
    return msgspec.structs.replace(recipes.find("photo-fine"), learned_blocks=2)


@pytest.fixture(scope="module")
def photos(backbone: Backbone) -> tuple[Images, PhotoFeatures]:
    """Noise around the mean of a class, with its features."""
    rng, side = np.random.default_rng(7), backbone.size_pixels
    labels = np.arange(PHOTOS) % CLASSES
    noise = rng.integers(0, 100, (PHOTOS, side, side, 3)) + 50 * labels[:, None, None, None]
    images = noise.astype(np.uint8)
    features = pretrained.build(backbone).predict_on_batch(images)
    digests = rng.integers(0, 256, (PHOTOS, 32), np.uint8)
    hashes = np.arange(PHOTOS, dtype=np.uint64)
    parts = np.zeros(PHOTOS, np.int8)
    return images, PhotoFeatures([], labels, parts, digests, hashes, features, features)


@pytest.fixture(scope="module")
def network(recipe: Recipe, photos: tuple[Images, PhotoFeatures]) -> FineNetwork:
    groups = np.arange(PHOTOS)
    return fine_network(recipe, head_of(photos[1], groups, CLASSES, weighted=False))


def test_before_the_first_step_the_answers_are_those_of_the_head(
    photos: tuple[Images, PhotoFeatures], network: FineNetwork
) -> None:
    """Of the head that the same photos have, and of the part that learns as well."""
    images, learn = photos
    parts = folds(np.arange(PHOTOS), digest_numbers(learn), learn.labels, fold_count(PHOTOS))
    fitted = fit_out_of_fold(learn.fp32, learn.labels, CLASSES, parts, np.arange(PHOTOS))
    expected = fitted.head.logits(learn.fp32) / fitted.temperature
    scale = np.abs(expected).max()
    np.testing.assert_allclose(networks.logits(network.whole, images), expected, atol=1e-4 * scale)
    learned = networks.logits(network.learned, FrozenPart(network.frozen)(images))
    np.testing.assert_allclose(learned, expected, atol=1e-3 * scale)


def test_only_its_last_blocks_and_its_head_learn(
    recipe: Recipe, backbone: Backbone, network: FineNetwork
) -> None:
    count = sum(stage.blocks for stage in architecture(backbone).stages)
    learning = {layer.name for layer in network.whole.layers if layer.trainable_weights}
    blocks = range(count - recipe.learned_blocks, count)
    last = tuple(f"blocks_{number}_" for number in blocks)
    assert learning == {
        layer.name
        for layer in network.whole.layers
        if layer.weights
        and layer.name.startswith((*last, "conv_head", "logits"))
        and not isinstance(layer, keras.layers.BatchNormalization)
    }
    assert len(learning) == 3 * recipe.learned_blocks + 2
    trained = [variable.path for variable in network.learned.trainable_variables]
    assert trained == [variable.path for variable in network.whole.trainable_variables]


@pytest.mark.parametrize("share", [0, 1])
def test_what_made_the_head_worse_is_not_published(
    recipe: Recipe, photos: tuple[Images, PhotoFeatures], share: int
) -> None:
    """A training has learned that all photos are of class 0; none or all of those held out are."""
    images, learn = photos
    trial = trial_network(recipe, learn, np.arange(PHOTOS), CLASSES, weighted=False)
    assert trial.builder.build is not None
    assert trial.values is not None
    trained, values = trial.builder.build(networks.EXACT), trial.values(images)
    before = networks.logits(trained, values)
    (bias,) = (one for one in trained.trainable_variables if one.path == "logits/bias")
    learned = np.array([np.abs(before).max(), 0.0, 0.0], np.float32)
    bias.assign_add(learned)
    labels = (1 - share) * np.maximum(1, learn.labels)
    graph, note = trial.builder.finished(trained, Examples(values, labels))
    logits, features = graph.predict_on_batch(images)
    np.testing.assert_allclose(logits, before + share * learned, atol=1e-3 * learned[0])
    np.testing.assert_allclose(features, learn.fp32, rtol=1e-3, atol=1e-3)
    assert f"{100 * share}% of the way" in note
