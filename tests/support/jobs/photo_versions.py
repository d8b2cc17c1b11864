"""Versions of photos without a training: the packaged backbone, and a drawn head."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from shared.messages.model_card import Card, Preprocessing
from shared.registry import backbone_store, packaged
from shared.registry.registry import Registry
from shared.runtimes import PHOTO
from worker.backbones import backbone_table, packaged_files
from worker.runtimes import heads
from worker.runtimes.heads import Head

LITE0 = backbone_table.find("efficientnet-lite0")
LABELS = ("circle", "square", "triangle")


@cache
def backbone() -> bytes:
    """The packaged file."""
    return packaged_files.read(LITE0)


def card(name: str = "shapes") -> Card:
    """The card of a version with one look."""
    return msgspec.structs.replace(
        packaged.card(), name=name, labels=LABELS, pixel_bounds=None, output="logits",
        preprocessing=Preprocessing(LITE0.size_pixels, LITE0.size_pixels, 3), call_images=1,
        precision="int8", precision_trial=None, precision_why="", temperature=1.0,
        second_pass_margin=0.0, second_pass_share=0.0, operating_points=(),
        features=LITE0.features, looks=(LITE0.look,), files={},
    )  # fmt: skip


def head(seed: int = 1) -> Head:
    """A head whose answers differ from image to image."""
    weights = np.random.default_rng(seed).normal(size=(LITE0.features, len(LABELS)))
    return Head(weights.astype(np.float32), np.zeros(len(LABELS), np.float32))


def publish(registry: Registry, seed: int = 1) -> Card:
    """A new version, whose backbone the store has once."""
    backbone_store.put(registry.root, backbone())
    return registry.publish(card(), {PHOTO.artifact: heads.encode([head(seed)])})
