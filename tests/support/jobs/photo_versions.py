"""Versions of photos without a training: the packaged backbone, and a drawn head."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np

from shared.messages.model_card import Card, Preprocessing
from shared.registry import packaged
from shared.registry.registry import Registry
from shared.runtimes import PHOTO
from worker.backbones import backbone_table
from worker.backbones.backbone_table import Backbone
from worker.runtimes import heads
from worker.runtimes.heads import Head

LITE0, LITE2 = backbone_table.BACKBONES.values()
LABELS = ("circle", "square", "triangle")


@cache
def backbone() -> bytes:
    """The packaged file."""
    return packaged.backbone(LITE0.file, LITE0.sha256)


def card(name: str = "shapes") -> Card:
    """The card of a version with one look."""
    return msgspec.structs.replace(
        packaged.card(), name=name, labels=LABELS, pixel_bounds=None, output="logits",
        preprocessing=Preprocessing(LITE0.size_pixels, LITE0.size_pixels, 3), call_images=1,
        precision="int8", precision_trial=None, precision_why="", temperature=1.0,
        second_pass_margin=0.0, second_pass_share=0.0, operating_points=(),
        features=LITE0.features, looks=(LITE0.look,), files={},
    )  # fmt: skip


def head(seed: int = 1, backbone: Backbone = LITE0) -> Head:
    """A head whose answers differ from image to image."""
    weights = np.random.default_rng(seed).normal(size=(backbone.features, len(LABELS)))
    return Head(weights.astype(np.float32), np.zeros(len(LABELS), np.float32))


def publish(registry: Registry, seed: int = 1) -> Card:
    """A new version."""
    return registry.publish(card(), files([head(seed)]))


def publish_twice_looking(registry: Registry, name: str, margin: float) -> Card:
    """A new version that looks again where the margin of the first look is smaller."""
    twice = msgspec.structs.replace(
        card(name), preprocessing=backbone_table.SPEC, looks=(LITE0.look, LITE2.look),
        second_pass_margin=margin,
    )  # fmt: skip
    pair = [head(1, LITE0), head(2, LITE2)]
    return registry.publish(twice, files(pair))


def files(of_looks: list[Head]) -> dict[str, bytes]:
    """The files of a version with these heads."""
    backbones = {
        row.file: packaged.backbone(row.file, row.sha256) for row in (LITE0, LITE2)[: len(of_looks)]
    }
    return backbones | {PHOTO.artifact: heads.encode(of_looks)}
