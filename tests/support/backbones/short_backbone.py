"""The first blocks of the backbone that ships, at 128 pixels, in place of the whole one.

For tests of what is done with a backbone. Its weights are those of the whole one, but for the last
convolution, so its features suffice for drawn shapes; converting and training it take a third of
the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.support.backbones import torch_files
from worker.backbones import backbone_table, weights
from worker.backbones.backbone_table import Backbone, EfficientNetLite
from worker.backbones.torch_file import Tensors

NAME = "efficientnet-lite0"
STAGES, HEAD, SIDE_PIXELS = 4, 64, 128
#: Batch normalization of the last convolution, which has no learned statistics here.
_NEUTRAL = {"weight": 1.0, "bias": 0.0, "running_mean": 0.0, "running_var": 1.0}


@contextmanager
def in_table(
    folder: Path, stages: int = STAGES, side_pixels: int = SIDE_PIXELS, name: str = NAME
) -> Iterator[Backbone]:
    """Let the table name it within the block."""
    whole = backbone_table.find(name)
    data = torch_files.encode(_tensors(whole, stages))
    file = folder / f"{name}.pth"
    file.write_bytes(data)
    short = whole._replace(
        file=str(file),
        sha256=hashlib.sha256(data).hexdigest(),
        size_pixels=side_pixels,
        architecture=architecture(whole)._replace(
            stages=architecture(whole).stages[:stages], head=HEAD
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(backbone_table.BACKBONES, name, short)
        yield short


def architecture(backbone: Backbone) -> EfficientNetLite:
    """That of a backbone of this family."""
    assert isinstance(backbone.architecture, EfficientNetLite)
    return backbone.architecture


def _tensors(whole: Backbone, stages: int) -> Tensors:
    stays = architecture(whole).stages[:stages]
    blocks = sum(stage.blocks for stage in stays)
    prefixes = ("_conv_stem", "_bn0", *(f"_blocks.{number}." for number in range(blocks)))
    width = stays[-1].filters
    last = np.random.default_rng(5).normal(0, np.sqrt(2 / width), (HEAD, width, 1, 1))
    norm = {f"_bn1.{name}": np.full(HEAD, value, "f4") for name, value in _NEUTRAL.items()}
    found = {
        name: values
        for name, values in weights.load(whole).items()
        if name.startswith(prefixes) and values.dtype == np.float32  # without counters
    }
    return {**found, "_conv_head.weight": last.astype(np.float32), **norm}
