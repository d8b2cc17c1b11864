"""The images on which a version is evaluated, and the notes on the significance of its figures."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from shared.errors import SetupError
from shared.registry import packaged
from shared.registry.registry import Registry
from tests.support.images.class_folders import fill
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.examples import Examples, content_hashes
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import SeenImages
from worker.requests import evaluate

CARD = packaged.card()


def _loaded(root: Path) -> load.DataSet:
    return load.load(
        LabelledData(str(root)), None, CARD.preprocessing, root.parent / "scratch"
    ).data


def _measured(
    root: Path, learned_from: str = "other", known: SeenImages | None = None
) -> evaluate.MeasuredPart:
    card = msgspec.structs.replace(CARD, dataset=learned_from)
    return evaluate.measured(card, _loaded(root), evaluate.given_parts(str(root)), known)


def _seen_of(learn: Examples, held: Examples, tmp_path: Path) -> SeenImages:
    """The record of the images that a version published with these images has seen."""
    files = {
        "model.tflite": b"",
        **heldout_answers.seen_files(content_hashes(learn.images), content_hashes(held.images)),
    }
    registry = Registry(tmp_path / "store")
    published = registry.publish(msgspec.structs.replace(CARD, name="mine", files={}), files)
    known = heldout_answers.read_seen(registry, published)
    assert known is not None
    return known


def _seen(root: Path, tmp_path: Path) -> SeenImages:
    """The record of the images that a version trained with this folder has seen."""
    found = _loaded(root)
    assert found.heldout is not None
    return _seen_of(found.examples, found.heldout, tmp_path)


def _fill(root: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        for label in (0, 1):
            fill(root / place / "ab"[label], 20 + number, 10_000 * number + 1000 * label)
    return root


def _count(measured: evaluate.MeasuredPart) -> int:
    return sum(len(part.labels) for part in measured.examples)


@pytest.mark.parametrize("learned_from", ["root", "other"])
@pytest.mark.parametrize(
    ("places", "split", "count"),
    [
        (("train", "validation"), "heldout", 42),
        (("train", "val", "test"), "test", 44),
        (("train", "test"), "test", 42),
    ],
    ids=str,
)
def test_a_split_of_a_folder_is_evaluated_under_any_name(
    places: tuple[str, ...], split: str, count: int, learned_from: str, tmp_path: Path
) -> None:
    found = _measured(_fill(tmp_path / "root", *places), learned_from)
    assert (found.split, _count(found)) == (split, count)
    assert bool(found.notes) == (split == "heldout")


def test_all_of_a_folder_with_another_name_is_evaluated_with_a_warning(tmp_path: Path) -> None:
    found = _measured(_fill(tmp_path / "root", "."))
    assert (found.split, _count(found)) == ("all", 40)
    assert "may have learned from them" in found.notes[0]


def test_of_the_training_folder_only_a_part_is_evaluated(tmp_path: Path) -> None:
    found = _measured(_fill(tmp_path / "root", "."), "root")
    assert found.split == "test"
    assert 0 < _count(found) < 40
    assert "to measure all" in found.notes[0]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    with pytest.raises(SetupError, match="no images"):
        _measured(tmp_path / "root")


def test_unseen_images_are_evaluated_without_a_warning(tmp_path: Path) -> None:
    root = _fill(tmp_path / "root", "train", "test")
    known = _seen(root, tmp_path)
    found = _measured(root / "test", known=known)
    assert (found.split, _count(found)) == ("all", 42)
    assert "seen none of them" in found.notes[0]
    assert _measured(root, known=known).notes == ()


def test_images_from_the_training_are_counted(tmp_path: Path) -> None:
    root = _fill(tmp_path / "root", "train", "test")
    known = _seen(root, tmp_path)
    whole = tmp_path / "whole"
    shutil.copytree(root, whole)
    for number, path in enumerate(sorted((root / "train/a").iterdir())[:5]):
        shutil.copy(path, whole / f"test/a/copy-{number}.png")
    alone = tmp_path / "alone"
    shutil.copytree(whole / "test", alone)
    learned, held = heldout_answers.count_seen(known, _measured(alone).examples)
    assert learned + held == 5
    for place in (whole, alone):
        (note,) = _measured(place, known=known).notes
        assert f"learned from {learned} and was chosen and calibrated with {held};" in note


def test_damaged_hashes_are_an_error_and_missing_ones_are_unknown(tmp_path: Path) -> None:
    root = _fill(tmp_path / "root", "train", "test")
    _seen(root, tmp_path)
    registry = Registry(tmp_path / "store")
    (path,) = (tmp_path / "store").glob(f"mine/*/{heldout_answers.LEARNED}")
    path.write_bytes(b"other")
    with pytest.raises(SetupError):
        heldout_answers.read_seen(registry, registry.card("mine", 1))
    assert heldout_answers.read_seen(registry, msgspec.structs.replace(CARD, files={})) is None
