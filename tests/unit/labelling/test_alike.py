"""The images most like one come without it, whatever other path has its content."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from producer.labelling import alike
from producer.labelling.folder_request import Computed
from shared.errors import UsageError
from shared.messages.folder_features import encode_features
from shared.settings import Settings
from tests.support.pages.planted_folder import PlantedFolder, plant

IMAGES = 8


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlantedFolder:
    planted = plant(tmp_path / "photos", IMAGES)
    computed = Computed(planted.answer, encode_features(planted.features))
    monkeypatch.setattr(alike, "computed", lambda *_: computed)
    return planted


def similar(folder: PlantedFolder, image: Path) -> list[str]:
    found = alike.similar(Settings(), str(folder.root), os.fsencode(image), IMAGES)
    return [Path(one.path).name for one in found]


def test_an_image_is_not_among_those_that_are_like_it(folder: PlantedFolder) -> None:
    names = sorted(folder.colours)
    for name in names[0], names[-1]:
        assert sorted([*similar(folder, folder.root / name), name]) == names


def test_a_copy_elsewhere_finds_the_image_too(folder: PlantedFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.png"
    copy.write_bytes((folder.root / "0003.png").read_bytes())
    assert similar(folder, copy)[0] == "0003.png"


def test_an_image_that_is_not_in_the_folder_is_refused(
    folder: PlantedFolder, tmp_path: Path
) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(b"other")
    with pytest.raises(UsageError, match="none of the readable images"):
        similar(folder, other)
