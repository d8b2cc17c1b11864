"""`hangtag.label` and `hangtag.labels`: the file of the page, by its rules, without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import hangtag
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from tests.support.pages.planted_folder import plant

FILE = Path("photos.labels.jsonl")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `photos/`: four images, and two copies of the first."""
    monkeypatch.chdir(tmp_path)
    plant(tmp_path / "photos", images=4, copies=2)
    (tmp_path / "photos" / "copy.png").write_bytes(Path("photos/0000.png").read_bytes())
    (tmp_path / "photos" / "note.txt").write_text("no image")
    (tmp_path / "other.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return tmp_path


def test_labels_are_lines_of_the_page_and_are_read_back() -> None:
    counts = hangtag.label("photos", {"photos/0001.png": "Coat", "photos/0002.png": "Bag"})
    assert counts == {"Coat": 1, "Bag": 1}
    (first, second) = map(json.loads, FILE.read_text().splitlines())
    assert (first["path"], first["label"], first["kind"]) == ("photos/0001.png", "Coat", "label")
    assert first["size"] == Path("photos/0001.png").stat().st_size
    assert hangtag.label("photos", {Path("photos/0001.png").absolute(): "Bag"}) == {"Bag": 2}
    assert [(image.path, image.label, image.kind) for image in hangtag.labels("photos")] == [
        ("photos/0001.png", "Bag", "label"),
        ("photos/0002.png", "Bag", "label"),
    ]
    assert hangtag.labels("photos")[1].sha256 == second["sha256"]


def test_what_holds_already_adds_no_line_and_none_takes_a_label_back() -> None:
    hangtag.label("photos/", {"photos/0001.png": "Coat"})
    before = FILE.read_bytes()
    assert hangtag.label("photos", {"photos/0001.png": "Coat", "photos/0003.png": None}) == {
        "Coat": 1
    }
    assert FILE.read_bytes() == before
    assert hangtag.label("photos", {"photos/0001.png": None}) == {}
    assert hangtag.labels("photos") == []
    assert json.loads(FILE.read_text().splitlines()[-1])["undo"]


def test_the_content_has_the_label_copies_too_and_renames_count() -> None:
    hangtag.label("photos", {"photos/0000.png": "Coat"}, file="own.jsonl")
    Path("photos/0000.png").rename("photos/moved.png")
    with_copy = {"photos/copy.png": "Coat", "photos/moved.png": "Coat"}
    assert hangtag.label("photos", with_copy, file="own.jsonl") == {"Coat": 1}
    file = LabelsFile(Path("own.jsonl"))
    file.append([LabelLine(kind="rename", taken_from="Coat", label="Jacket", by="ada", at="now")])
    file.close()
    assert [image.label for image in hangtag.labels("photos", file="own.jsonl")] == ["Jacket"]
    assert not FILE.exists()


def test_a_label_is_renamed_and_merged() -> None:
    hangtag.label("photos", {"photos/0000.png": "Coat", "photos/0001.png": "Bag"})
    assert hangtag.rename_label("photos", "Coat", "Jacket") == {"Jacket": 1, "Bag": 1}
    assert json.loads(FILE.read_text().splitlines()[-1])["taken_from"] == "Coat"
    assert hangtag.rename_label("photos", "Jacket", "Bag") == {"Bag": 2}
    before = FILE.read_bytes()
    for old, new, why in (
        ("Coat", "Hat", "no image has the label 'Coat'"),
        ("Bag", "Bag", "is 'Bag' already"),
        ("Bag", "unknown", "is reserved"),
    ):
        with pytest.raises(hangtag.UsageError, match=why):
            hangtag.rename_label("photos", old, new)
    assert FILE.read_bytes() == before
    with pytest.raises(hangtag.UsageError, match="no image has the label"):
        hangtag.rename_label("photos", "Bag", "Hat", file="none.jsonl")
    assert not Path("none.jsonl").exists()


def test_one_thing_is_said_about_each_image() -> None:
    for more, why in (
        ({"left_out": ["photos/0000.png"]}, "'photos/0000.png' is given twice"),
        ({"left_out": "photos/0001.png"}, "left_out is 'photos/0001.png'; give a list"),
        ({"cannot_tell": ["photos/copy.png"]}, "the labels 'Coat' and cannot-tell; give both"),
    ):
        with pytest.raises(hangtag.UsageError, match=why):
            hangtag.label("photos", {"photos/0000.png": "Coat"}, **more)
    assert not FILE.exists()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "reserved": ({"photos/0001.png": "unknown"}, "the label 'unknown' is reserved"),
    "empty": ({"photos/0001.png": ""}, "the label '' cannot name a class folder"),
    "case": ({"photos/0001.png": "coat"}, "'coat' has the folder of 'Coat'; use that"),
    "two cases": ({"photos/0001.png": "Hat", "photos/0002.png": "hat"}, "the folder of 'hat'"),
    "number": ({"photos/0001.png": 3}, "labels has 3; give text or None"),
    "missing": ({"photos/none.png": "Bag"}, "photos/none.png cannot be read .*; check the path"),
    "outside": ({"other.png": "Bag"}, "other.png is not below .*photos; give paths that begin in"),
    "no image": ({"photos/note.txt": "Bag"}, "photos/note.txt is no image that can be classified"),
    "itself": ({"photos": "Bag"}, "cannot be read"),
    "a copy without": (
        {"photos/0000.png": None, "photos/copy.png": "Hat"},
        "copies, and get the labels None and 'Hat'",
    ),
    "copies": ({"photos/0000.png": "Bag", "photos/copy.png": "Hat"}, "copies, and get the labels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_refused_in_one_line_and_saves_nothing(name: str) -> None:
    labels, sentence = WRONG[name]
    hangtag.label("photos", {"photos/0003.png": "Coat"})
    before = FILE.read_bytes()
    with pytest.raises(hangtag.UsageError, match=sentence) as caught:
        hangtag.label("photos", {"photos/0002.png": "Bag", **labels})
    assert "\n" not in str(caught.value)
    assert FILE.read_bytes() == before


def test_an_image_above_64_mib_gets_no_label() -> None:
    with Path("photos/0001.png").open("r+b") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(hangtag.UsageError, match="no image that can be classified"):
        hangtag.label("photos", {"photos/0001.png": "Bag"})
    assert not FILE.exists()


def test_a_wrong_first_call_leaves_no_file(here: Path) -> None:
    for folder, labels in (("photos", {"photos/0001.png": "a\\b"}), ("none", {})):
        with pytest.raises(hangtag.UsageError):
            hangtag.label(folder, labels)
    assert hangtag.labels("photos") == []
    assert list(here.glob("*.jsonl")) == []


def test_a_file_that_the_page_has_open_is_refused_and_can_be_read() -> None:
    hangtag.label("photos", {"photos/0001.png": "Coat"})
    page = LabelsFile(FILE)
    with pytest.raises(hangtag.UsageError, match="in use by another hangtag label"):
        hangtag.label("photos", {"photos/0002.png": "Coat"})
    assert len(hangtag.labels("photos")) == 1
    page.close()
    with pytest.raises(hangtag.SetupError, match="name another file, or"):
        hangtag.label("photos", {"photos/0002.png": "Coat"}, file="photos")
