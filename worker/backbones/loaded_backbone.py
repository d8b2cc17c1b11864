"""A backbone with its files: one that ships, or one that a person added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from shared import installation, recipes
from shared.errors import SetupError, no_such
from shared.registry import own_backbones, packaged
from shared.registry.own_backbones import OwnBackbone
from shared.runtimes import ONNX
from worker.backbones.backbone_table import BACKBONES, Backbone
from worker.runtimes.tflite_network import BackboneGraph, FeatureGraph


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
        raise installation.of_trainer(ONNX.missing)
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
