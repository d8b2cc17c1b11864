"""The report of a folder of photos: classes without figures to trust, and files by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.labels.label_line import LabelLine
from shared.messages.replies import DataReport
from tests.support.images import shapes
from tests.support.jobs.decided import file_of
from worker.backbones import backbone_table
from worker.datasets.corrected_walk import LabelledData
from worker.train import photo_folder
from worker.train.photo_folder import PhotoFolder

PHOTOS = 6
LITE0 = backbone_table.shipped(backbone_table.BACKBONES["efficientnet-lite0"])


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose name is longer than that of the data."""
    return tmp_path_factory.mktemp("photos-that-people-have-reviewed")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> DataReport:
    """Two classes of many scenes, one of a single scene, and two corrected files elsewhere."""
    root = tmp_path_factory.mktemp("photos")
    for label in ("circle", "square"):
        shapes.write(root, label, PHOTOS)
    scene = shapes.draw("triangle", 1)
    (root / "triangle").mkdir()
    for side in range(400, 400 + 4 * PHOTOS, 4):
        path = root / "triangle" / f"{side}.png"
        path.write_bytes(shapes.encoded(scene.resize((side, side)), "PNG"))
    copy = shapes.encoded(shapes.draw("circle", 1), "BMP")
    given = [_corrected(outside / "copy.bmp", copy), _corrected(outside / "bad.jpg", b"no photo")]
    folder = tmp_path_factory.mktemp("store")
    return photo_folder.load(
        LabelledData(str(root), given), [LITE0], folder, 0.5, lambda done, total: None,
        to_train=False,
    ).report  # fmt: skip


def _corrected(path: Path, data: bytes) -> LabelLine:
    path.write_bytes(data)
    return file_of(data, "circle", path)


def test_the_photos_are_counted_and_what_follows_is_named(tmp_path: Path) -> None:
    for label in ("circle", "square"):
        shapes.write(tmp_path / "photos", label, PHOTOS)
    parts: list[tuple[str, int, int]] = []

    photo_folder.load(
        LabelledData(str(tmp_path / "photos")), [LITE0], tmp_path / "store", 0.5,
        lambda done, total: parts.append(("", done, total)),
        to_train=False, on_part=lambda *one: parts.append(one),
    )  # fmt: skip
    assert parts[:-1] == [("", done, 2 * PHOTOS) for done in range(2 * PHOTOS + 1)]
    assert parts[-1] == (photo_folder.COMPARING, 0, 0)


def test_few_photos_are_learned_from_in_the_mirror_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in ("circle", "square"):
        shapes.write(tmp_path / "photos", label, PHOTOS)

    def loaded() -> PhotoFolder:
        data = LabelledData(str(tmp_path / "photos"))
        store = tmp_path / "store"
        return photo_folder.load(data, [LITE0], store, 0.5, lambda *_: None, to_train=True)

    monkeypatch.setattr(photo_folder, "MOST_MIRRORED", 2 * PHOTOS)
    few = loaded()
    assert few.learn.mirrored is not None
    assert few.test is None
    monkeypatch.setattr(photo_folder, "MOST_MIRRORED", 2 * PHOTOS - 1)
    assert loaded().learn.mirrored is None


def test_a_class_of_one_scene_is_named(report: DataReport) -> None:
    [note] = [note for note in report.notes if "near-duplicates" in note]
    assert "triangle" in note
    assert "circle" not in note
    assert "square" not in note


def test_corrected_files_elsewhere_have_their_own_paths(report: DataReport, outside: Path) -> None:
    assert [line.partition(": ")[0] for line in report.unreadable] == [f"{outside}/bad.jpg"]
    assert f"{outside}/copy.bmp: like circle/001.png" in report.duplicates
