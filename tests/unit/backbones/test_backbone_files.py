"""The converted backbone in a store is used only if it is whole; otherwise it is made again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from worker.backbones import backbone_table
from worker.backbones.photo_features import BackboneFiles
from worker.export import backbone_files as stored

LITE0 = backbone_table.find("efficientnet-lite0")


class Conversions:
    """Counts the conversions, which take ten seconds each with the real backbone."""

    def __init__(self, files: BackboneFiles) -> None:
        self.files, self.count = files, 0

    def __call__(
        self, backbone: backbone_table.Backbone, on_part: Callable[[str, int, int], None]
    ) -> BackboneFiles:
        self.count += 1
        return self.files


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> Conversions:
    made = Conversions(BackboneFiles(b"fp32" * 100, b"int8" * 100))
    monkeypatch.setattr(stored, "_converted", made)
    return made


def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.tflite"))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def test_whole_files_are_converted_once(conversions: Conversions, tmp_path: Path) -> None:
    first = stored.backbone_files(LITE0, tmp_path)
    assert stored.backbone_files(LITE0, tmp_path) == first == conversions.files
    assert (conversions.count, len(_paths(tmp_path))) == (1, 2)


@pytest.mark.parametrize("damage", [_flip, _truncate, Path.unlink])
@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_file_is_made_again(
    number: int, damage: object, conversions: Conversions, tmp_path: Path
) -> None:
    stored.backbone_files(LITE0, tmp_path)
    assert callable(damage)
    damage(_paths(tmp_path)[number])
    assert stored.backbone_files(LITE0, tmp_path) == conversions.files
    assert stored.backbone_files(LITE0, tmp_path) == conversions.files
    assert (conversions.count, len(_paths(tmp_path))) == (2, 2)


def test_files_without_a_hash_in_their_names_are_replaced(
    conversions: Conversions, tmp_path: Path
) -> None:
    """Those of earlier versions have no proof."""
    stored.backbone_files(LITE0, tmp_path)
    for path, kind in zip(_paths(tmp_path), (stored.FP32, stored.INT8), strict=True):
        path.rename(path.with_name(kind))
    assert stored.backbone_files(LITE0, tmp_path) == conversions.files
    assert conversions.count == 2
    assert all(path.name not in (stored.FP32, stored.INT8) for path in _paths(tmp_path))


def test_trainers_with_different_conversions_use_the_same_file(
    conversions: Conversions, tmp_path: Path
) -> None:
    first = stored.backbone_files(LITE0, tmp_path)
    conversions.files = BackboneFiles(first.int8, first.fp32)
    assert stored.backbone_files(LITE0, tmp_path) == first
