"""What is measured of a folder, and what is said about the worth of its figures."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from shared import pretrained
from shared.errors import SetupError
from tests.classes import fill
from worker import data, measure

CARD = pretrained.card()


def _measured(root: Path, learned_from: str = "other") -> measure.Measured:
    card = msgspec.structs.replace(CARD, dataset=learned_from)
    found = data.load(str(root), None, card.preprocessing, root.parent / "scratch").data
    return measure.measured(card, found, measure.given_parts(str(root)))


def _fill(root: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        for label in (0, 1):
            fill(root / place / "ab"[label], 20 + number, 10_000 * number + 1000 * label)
    return root


def _count(measured: measure.Measured) -> int:
    return sum(len(part.labels) for part in measured.parts)


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
def test_a_part_of_its_own_is_measured_whatever_the_folder_is_called(
    places: tuple[str, ...], split: str, count: int, learned_from: str, tmp_path: Path
) -> None:
    found = _measured(_fill(tmp_path / "root", *places), learned_from)
    assert (found.split, _count(found)) == (split, count)
    assert bool(found.notes) == (split == "heldout")


def test_all_of_a_folder_with_another_name_is_measured_and_doubted(tmp_path: Path) -> None:
    found = _measured(_fill(tmp_path / "root", "."))
    assert (found.split, _count(found)) == ("all", 40)
    assert "may have learned from them" in found.notes[0]


def test_of_the_folder_that_was_learned_from_a_part_is_measured(tmp_path: Path) -> None:
    found = _measured(_fill(tmp_path / "root", "."), "root")
    assert found.split == "test"
    assert 0 < _count(found) < 40
    assert "to measure all" in found.notes[0]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root" / "a").mkdir(parents=True)
    with pytest.raises(SetupError, match="no images"):
        _measured(tmp_path / "root")
