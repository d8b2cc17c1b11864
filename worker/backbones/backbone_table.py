"""Backbones: pretrained networks whose features are the input of a head, with their files.

Those that ship are a table, whose files benchmarks/packaged_backbones.py makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared import installation, recipes
from shared.errors import SetupError, no_such
from shared.messages.model_card import ImportedNetwork, Look, Preprocessing
from shared.registry import own_backbones, packaged
from shared.registry.own_backbones import OwnBackbone
from shared.runtimes import BACKBONE_SUFFIX, ONNX
from worker.runtimes.tflite_network import BackboneGraph, FeatureGraph

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


class LoadedBackbone(NamedTuple):
    row: Backbone
    files: Mapping[str, bytes]  #: by their names in a version

    def graph(self) -> BackboneGraph:
        """It for one thread. Raises SetupError: this processor computes other features."""
        if self.row.imported is None:
            return FeatureGraph(self.files[self.row.file])
        from worker.runtimes import onnx_runtime

        return onnx_runtime.features(
            self.row.name, self.row.imported, self.row.spec, self.row.features,
            self.files[ONNX.artifact], self.files[ONNX.beside],
        )  # fmt: skip


def load(name: str, store: Path) -> LoadedBackbone:
    """The backbone with this name; without a name that of the first look by default.

    Raises:
        SetupError: there is none, its file is damaged, or its runtime is not installed.
    """
    name = name or recipes.find(recipes.OF_FOLDER).backbone
    if name in BACKBONES:
        return shipped(BACKBONES[name])
    known = [*BACKBONES, *own_backbones.names(store)]
    if name not in known:
        raise SetupError(no_such("backbone", name, known, own_backbones.LIST))
    row = own_backbones.find(store, name)
    if ONNX.missing:
        raise installation.trainer_error(ONNX.missing)
    return LoadedBackbone(_row(row), own_backbones.files(store, row))


def shipped(row: Backbone) -> LoadedBackbone:
    """One that ships. Raises SetupError: the installation is damaged."""
    return LoadedBackbone(row, {row.file: packaged.backbone(row.file, row.sha256)})


def _row(own: OwnBackbone) -> Backbone:
    return Backbone(
        name=own.name,
        sha256=own.sha256,
        size_pixels=own.size_pixels,
        part_widths=(own.features,),
        parameters=own.parameters,
        imported=own.imported,
    )
