"""The network that fine-tuning starts from: a backbone with the head that fits its features."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from tests.support.backbones import short_backbone
from tests.support.backbones.short_backbone import architecture
from worker.backbones import pretrained
from worker.backbones.backbone_table import Backbone
from worker.learners.trial_networks import fine_network
from worker.photo_head.linear_head import Head

CLASSES, STAGES, BLOCKS = 3, 2, short_backbone.LEARNED_BLOCKS


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backbone]:
    with short_backbone.in_table(tmp_path_factory.mktemp("backbone"), STAGES) as short:
        yield short


@pytest.fixture(scope="module")
def head(backbone: Backbone) -> Head:
    rng = np.random.default_rng(6)
    return Head(
        rng.normal(size=(backbone.features, CLASSES)).astype(np.float32),
        rng.normal(size=CLASSES).astype(np.float32),
    )


@pytest.fixture(scope="module")
def network(backbone: Backbone, head: Head) -> keras.Model:
    return fine_network(backbone, head, BLOCKS)


def test_it_starts_with_the_answers_of_the_head(
    backbone: Backbone, head: Head, network: keras.Model
) -> None:
    side = backbone.size_pixels
    images = np.random.default_rng(7).integers(0, 256, (4, side, side, 3), np.uint8)
    features = pretrained.build(backbone).predict_on_batch(images)
    expected = head.logits(features)
    np.testing.assert_allclose(network.predict_on_batch(images), expected, rtol=1e-4, atol=1e-4)


def test_only_its_last_blocks_and_its_head_learn(backbone: Backbone, network: keras.Model) -> None:
    count = sum(stage.blocks for stage in architecture(backbone).stages)
    learning = {layer.name for layer in network.layers if layer.trainable_weights}
    last = tuple(f"blocks_{number}_" for number in range(count - BLOCKS, count))
    assert learning == {
        layer.name
        for layer in network.layers
        if layer.weights
        and layer.name.startswith((*last, "conv_head", "logits"))
        and not isinstance(layer, keras.layers.BatchNormalization)
    }
    assert len(learning) == 3 * BLOCKS + 2
