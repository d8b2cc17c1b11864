"""The backbones in the package are what their script makes."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import packaged_backbones
from benchmarks.backbones.calibration import calibration_images
from shared.errors import SetupError
from shared.registry import packaged
from worker.backbones.backbone_table import BACKBONES, Backbone
from worker.runtimes.tflite_network import FeatureGraph

EACH = pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda one: one.name)


@EACH
def test_a_packaged_backbone_has_the_features_of_its_row(backbone: Backbone) -> None:
    graph = FeatureGraph(packaged.backbone(backbone.file, backbone.sha256))
    assert graph.features == backbone.features
    row = graph.run(np.zeros((backbone.size_pixels, backbone.size_pixels, 3), np.uint8))
    assert np.isfinite(row).all()


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:-1] + b"!"])
def test_a_damaged_file_is_refused_in_one_line(
    damage: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(packaged_backbones.FOLDER, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "efficientnet-lite0.tflite"
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    monkeypatch.setattr(packaged, "BACKBONES", tmp_path)
    with pytest.raises(SetupError, match=r"efficientnet-lite0.tflite is .*; install Hangtag again"):
        packaged.backbone(
            BACKBONES["efficientnet-lite0"].file, BACKBONES["efficientnet-lite0"].sha256
        )
    assert packaged.backbone(
        BACKBONES["efficientnet-lite2"].file, BACKBONES["efficientnet-lite2"].sha256
    )


@pytest.mark.nightly
@EACH
def test_the_script_makes_the_packaged_file_again(backbone: Backbone) -> None:
    """On another kind of processor: one with nearly the same features."""
    made = packaged_backbones.made(backbone.name)
    if hashlib.sha256(made).hexdigest() == backbone.sha256:
        return
    found, expected = (
        np.stack([graph.run(image) for image in calibration_images(backbone.size_pixels)])
        for graph in (
            FeatureGraph(made),
            FeatureGraph(packaged.backbone(backbone.file, backbone.sha256)),
        )
    )
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    assert ((found * expected).sum(1) / lengths).min() >= 0.999
