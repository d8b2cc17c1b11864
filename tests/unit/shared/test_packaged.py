"""The packaged version has the figures of its card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.errors import BadMessage, SetupError
from shared.messages import model_card
from shared.messages.replies import Evaluation
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.jobs import accuracy
from tests.support.processes.fleet import ROOT
from worker.datasets import fashion_mnist
from worker.datasets.examples import Examples, hold_out
from worker.evaluation.metrics import score
from worker.runtimes import load_runtime

#: Of figures that depend on every probability.
TOLERANCE = 5e-4


def _evaluate(split_name: fashion_mnist.Split, part: int) -> Evaluation:
    try:
        examples = Examples.from_arrays(*fashion_mnist.load(split_name, download=False))
    except SetupError:
        pytest.skip("Fashion-MNIST is not on this machine")
    if split_name == "train":
        examples = hold_out(examples)[part]
    loaded = load_runtime.load("litert", packaged.card(), packaged.read("model.tflite"))
    return score(loaded.predict(examples.images), examples.labels)


def _right(found: Evaluation) -> int:
    return round(found.accuracy * found.count)


def test_accuracy_and_calibration_on_the_test_images_are_those_of_the_card() -> None:
    metrics = packaged.card().metrics
    found = _evaluate("test", 0)
    assert found.count == metrics.test_count == 10_000
    assert not accuracy.off("test", _right(found))
    assert found.loss == pytest.approx(metrics.test_loss, abs=TOLERANCE)
    assert found.ece == pytest.approx(metrics.test_ece, abs=TOLERANCE)


def test_the_figures_have_the_promised_values() -> None:
    metrics = packaged.card().metrics
    assert metrics.test_accuracy == accuracy.USUAL.test / 10_000
    assert metrics.heldout_accuracy == accuracy.USUAL.heldout / 5_000
    assert metrics.test_ece is not None
    assert metrics.test_ece <= 0.01


@pytest.mark.nightly
def test_the_figures_on_the_held_out_images_are_those_of_the_card() -> None:
    """tests/end_to_end/test_training.py reads its accuracy on them, too."""
    metrics = packaged.card().metrics
    found = _evaluate("train", 1)
    assert found.count == metrics.heldout_count == 5_000
    assert not accuracy.off("heldout", _right(found))
    assert found.ece == pytest.approx(metrics.heldout_ece, abs=TOLERANCE)


@pytest.mark.parametrize(
    ("page", "texts"),
    [
        ("README.md", ["{card.parameters:,} parameters", "{test} %", "error {ece} %"]),
        ("CHANGELOG.md", ["{card.parameters:,} parameters, {test} % on the test images"]),
        (
            "docs/models.md",
            ["{heldout}%", "{test}%", "{ece}%", "{card.temperature:.4f}", "{share}%"],
        ),
        (
            "docs/pretrained.md",
            ["{card.parameters:,} parameters", "accuracy {metrics.test_accuracy:.4f}", "{ece} %",
             "accuracy {metrics.heldout_accuracy:.4f}", "{card.temperature:.3f}", "{share} %"],
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_the_pages_have_the_figures_of_the_version_that_ships(page: str, texts: list[str]) -> None:
    card = packaged.card()
    metrics = card.metrics
    percent = {
        "test": f"{100 * (metrics.test_accuracy or 0):.2f}",
        "heldout": f"{100 * metrics.heldout_accuracy:.2f}",
        "ece": f"{100 * (metrics.test_ece or 0):.2f}",
        "share": f"{100 * card.second_pass_share:.1f}",
    }
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for one in texts:
        assert one.format(card=card, metrics=metrics, **percent) in text


@pytest.mark.parametrize(
    "change",
    [{"temperature": 0.0}, {"temperature": -1.0}, {"call_images": 0}, {"labels": ["one"]}],
)
def test_a_card_out_of_range_is_refused(change: dict[str, object]) -> None:
    fields = json.loads(model_card.encode_card(packaged.card())) | change
    with pytest.raises(BadMessage, match="out of range"):
        model_card.decode_card(json.dumps(fields).encode())


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_a_damaged_installation_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    packaged.card()
    monkeypatch.setattr(packaged, "_FOLDER", tmp_path)
    if damage == "changed":
        (tmp_path / "model.tflite").write_bytes(b"something else")
    with pytest.raises(SetupError, match="install Hangtag again"):
        packaged.read("model.tflite")


@pytest.mark.parametrize("name", ["card.json", "../packaged.py", "/etc/passwd", ""])
def test_only_files_of_the_card_are_read(name: str) -> None:
    with pytest.raises(SetupError, match="has no file"):
        packaged.read(name)


def test_a_store_without_files_has_an_intact_version_that_ships(tmp_path: Path) -> None:
    Registry(tmp_path).check(packaged.card())
