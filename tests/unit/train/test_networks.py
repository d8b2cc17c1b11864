"""The networks of the recipes: their outputs, and that the export preserves them."""

from __future__ import annotations

from pathlib import Path

import keras
import msgspec
import numpy as np
import pytest

from shared import recipes
from shared.messages.model_card import Card
from shared.recipes import Recipe
from shared.registry import packaged
from worker.graphs.convert import fp32_file, frozen, keras_file
from worker.runtimes import load_runtime
from worker.runtimes.runtime import margins
from worker.train import networks

SHAPE = (28, 28, 1)
CLASSES = 10


def small(network: str, **changes: object) -> Recipe:
    """A recipe whose network is built quickly."""
    widths = {"dense": (8,), "small_conv": (4, 8), "residual": (4, 8, 8)}[network]
    blocks = (1,) * len(widths)
    recipe = recipes.find("fast")
    return msgspec.structs.replace(recipe, network=network, widths=widths, blocks=blocks, **changes)


def images_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)


@pytest.fixture
def card() -> Card:
    return packaged.card()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_both_runtimes_load_a_residual_network_and_agree(card: Card) -> None:
    network = networks.build(small("residual"), SHAPE, CLASSES)
    images = images_of(130)
    margin = float(np.median(margins(networks.logits(network, images))))
    card = msgspec.structs.replace(card, second_pass_margin=margin)
    files = {"litert": fp32_file(frozen(network)), "tensorflow": keras_file(network)}
    logits = [load_runtime.load(kind, card, data).logits(images) for kind, data in files.items()]
    assert np.allclose(logits[0], logits[1], atol=1e-5)
    once = margins(networks.logits(network, images)) > margin + 1e-4
    assert 0 < once.sum() < len(images)
    assert np.allclose(logits[0][once], networks.logits(network, images)[once], atol=1e-5)


def test_mixed_precision_keeps_float32_weights_and_the_global_policy() -> None:
    model = networks.build(small("residual"), SHAPE, CLASSES, networks.MIXED)
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert model.get_layer("stem").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == networks.EXACT


def test_bfloat16_is_used_only_where_it_is_requested_and_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = tmp_path / "cpuinfo"
    monkeypatch.setattr(networks, "CPU_FLAGS", flags)
    mixed = small("residual", mixed=True)
    assert networks.precision_of(mixed) == networks.EXACT, "the processor is unknown"
    flags.write_text("flags\t\t: fpu avx2 avx512f\n")
    assert networks.precision_of(mixed) == networks.EXACT
    flags.write_text("flags\t\t: fpu avx512f avx512_bf16\n")
    assert networks.precision_of(mixed) == networks.MIXED
    assert networks.precision_of(small("residual", mixed=False)) == networks.EXACT
