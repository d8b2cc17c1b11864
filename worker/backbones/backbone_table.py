"""The table of backbones that ship: pretrained networks whose features are the input of a head.

The file of each is in the package. A row is a file that benchmarks/packaged_backbones.py makes.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.errors import row_named
from shared.messages.model_card import ImportedNetwork, Look, Preprocessing
from shared.runtimes import BACKBONE_SUFFIX, ONNX

_EFFICIENTNET = "https://github.com/tensorflow/tpu, models/official/efficientnet/lite"


class Backbone(NamedTuple):
    """One row: one uint8 image in RGB to the float32 features of its parts."""

    name: str
    sha256: str  #: of its `.tflite` file; no other file is accepted
    size_pixels: int  #: of both sides of its input
    part_widths: tuple[int, ...]  #: features of each part of the network, in order
    parameters: int
    licence: str = ""
    source: str = ""
    imported: ImportedNetwork | None = None  #: of an ONNX file that a person added

    @property
    def features(self) -> int:
        """The number of all features."""
        return sum(self.part_widths)

    @property
    def file(self) -> str:
        """The name of its file, in the package and in a version."""
        return ONNX.artifact if self.imported else self.name + BACKBONE_SUFFIX

    @property
    def spec(self) -> Preprocessing:
        """How images are decoded for it: for those that ship once, at the size of the largest."""
        return Preprocessing(self.size_pixels, self.size_pixels, 3) if self.imported else SPEC

    @property
    def look(self) -> Look:
        """What the card of a version says that looks at images with it."""
        return Look(self.name, self.file, self.size_pixels, self.licence, self.source)


BACKBONES = {
    backbone.name: backbone
    for backbone in (
        Backbone(
            name="efficientnet-lite0",
            sha256="ebc66d68d1f64009f4f786c8c8fb9896a276c00ce9fa680fa7edf2d2192429cd",
            size_pixels=224,
            part_widths=(24, 40, 80, 80, 112, 112, 192, 192, 192, 1280),
            parameters=3_413_024,
            licence="Apache-2.0",
            source=_EFFICIENTNET,
        ),
        Backbone(
            name="efficientnet-lite2",
            sha256="8547da9fd4f4c2b7ad91563691fd431635d9163763f4d329cfc751b361053083",
            size_pixels=260,
            part_widths=(24, 24, 48, 48, 88, 88, 88, 120, 120, 120, 208, 208, 208, 208, 1280),
            parameters=4_869_168,
            licence="Apache-2.0",
            source=_EFFICIENTNET,
        ),
    )
}


#: How images are decoded for all of them, once: at the size of the largest.
SIDE_PIXELS = max(backbone.size_pixels for backbone in BACKBONES.values())
SPEC = Preprocessing(SIDE_PIXELS, SIDE_PIXELS, channels=3)


def find(name: str) -> Backbone:
    """The backbone with this name.

    Raises:
        SetupError: there is none.
    """
    return row_named(BACKBONES, "backbone", name, "hangtag train --help")
