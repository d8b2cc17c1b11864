"""A folder per class is a data set: each file in it is used, named or counted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from shared.errors import SetupError
from shared.labels.class_folders import RESERVED, SORT_LOG
from shared.messages.model_card import Preprocessing
from shared.recipes import RECIPES, Recipe
from tests.support.images.class_folders import fill, noise, write
from tests.support.machine.unlistable_folders import obeying
from tests.support.processes.fleet import ROOT
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
from worker.datasets.load import Loaded

PHOTO = msgspec.structs.replace(RECIPES["fast"], size=(96, 96, 3))


class Stop(Exception):
    """Represents the end of a trainer."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes of 40 images."""
    for number, name in enumerate(("cat", "dog")):
        fill(tmp_path / "root" / name, 40, 1000 * number)
    return tmp_path / "root"


def _load(root: Path, recipe: Recipe = PHOTO, **options: float) -> Loaded:
    scratch = root.parent / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    return load.load(LabelledData(str(root)), recipe.size, None, scratch, **options)  # type: ignore[arg-type]


def _seen(loaded: Loaded) -> dict[str, set[bytes]]:
    """The pixels of each part."""
    found = loaded.data
    parts = {"training": found.examples, "heldout": found.heldout, "test": found.test}
    return {
        name: {image.tobytes() for image in part.images} if part else set()
        for name, part in parts.items()
    }


def _total(loaded: Loaded) -> int:
    report = loaded.report
    return sum(report.training) + sum(report.heldout) + sum(report.test)


def test_copies_are_on_one_side_whatever_their_format_and_class(root: Path) -> None:
    for number in range(40):
        write(root / "cat" / f"copy{number}.bmp", noise(number), "BMP")
    loaded = _load(root)
    seen = _seen(loaded)
    assert sum(map(len, seen.values())) == 80
    assert not seen["training"] & (seen["heldout"] | seen["test"])
    assert loaded.report.duplicates_count == 40
    assert not loaded.report.notes
    write(root / "dog" / "cat.png", noise(3))
    assert "3 images have copies in another class" in _load(root).report.notes


def test_other_files_are_skipped_and_counted(root: Path) -> None:
    (root / "cat" / ".hidden.png").write_bytes(b"")
    (root / ".git").mkdir()
    (root / "cat" / "notes.txt").write_text("about cats")
    (root / "cat" / "IMG_1.CR3").write_bytes(b"")
    (root / "labels.csv").write_text("0,1")
    os.symlink(root / "dog" / "0000.png", root / "cat" / "link.png")
    os.symlink(root / "dog", root / "dogs")
    os.mkfifo(root / "cat" / "pipe.png")
    loaded = _load(root)
    assert _total(loaded) == 80
    skipped = (
        "skipped: 2 (hidden), 2 (links), 1 (images of other kinds, such as raw files)"
        ", 2 (no images), 1 (beside the class folders)"
    )
    assert loaded.report.notes == (skipped,)


def test_images_that_sorting_gave_no_label_are_no_class(root: Path) -> None:
    for name in RESERVED:
        write(root / name / "1.png", noise(100))
    (root / SORT_LOG).touch()
    loaded = _load(root)
    assert _total(loaded) == 80
    assert loaded.report.notes == ("skipped: 3 (in unknown, flagged or failed)",)


@pytest.mark.parametrize("name", [*RESERVED, "Unknown"])
def test_a_class_folder_with_a_reserved_name_is_refused(root: Path, name: str) -> None:
    fill(root / name, 20, 100)
    with pytest.raises(SetupError, match=f"{name} has a name that is reserved"):
        _load(root)


@pytest.mark.parametrize("name", ["dot.", "trail ", "con", "nul.txt", "back\\slash"])
def test_only_classes_that_can_name_a_folder_everywhere_are_learned(root: Path, name: str) -> None:
    fill(root / name, 20, 100)
    with pytest.raises(SetupError, match=f"the class {name!r} cannot name".replace("\\", ".")):
        _load(root)


@pytest.mark.parametrize(
    ("names", "decided"),
    [
        (("train", "test"), ("test",)),
        (("train", "validation"), ("training", "heldout")),
        (("training", "val", "testing"), ("training", "heldout", "test")),
        (("Train", "valid", "Test"), ("training", "heldout", "test")),
    ],
    ids="-".join,
)
def test_existing_splits_are_used(
    names: tuple[str, ...], decided: tuple[str, ...], tmp_path: Path
) -> None:
    parts = {"t": "training", "v": "heldout", "e": "test"}
    given: dict[str, Path] = {}
    for number, name in enumerate(names):
        kind = "e" if name.lower().startswith("test") else name[0].lower()
        given[parts[kind]] = tmp_path / "root" / name
        for label in (0, 1):
            fill(tmp_path / "root" / name / "ab"[label], 30, 10_000 * number + 1000 * label)
    loaded = _load(tmp_path / "root")
    report = loaded.report
    assert report.labels == ("a", "b")
    for part in decided:
        assert getattr(report, part) == (30, 30)
    assert _total(loaded) == 60 * len(names)
    assert all(report.heldout)
    assert (loaded.data.test is None) == ("test" not in given)


def test_unreadable_files_are_named_with_the_reason(root: Path) -> None:
    (root / "cat" / "empty.png").write_bytes(b"")
    (root / "dog" / "text.jpg").write_text("a dog")
    whole = (root / "dog" / "0001.png").read_bytes()
    (root / "dog" / "half.png").write_bytes(whole[: len(whole) // 2])
    report = _load(root).report
    assert report.unreadable_count == 3
    assert [line.partition(":")[0] for line in report.unreadable] == [
        "cat/empty.png", "dog/half.png", "dog/text.jpg",
    ]  # fmt: skip
    assert report.unreadable[2].endswith("is not a JPEG, PNG, WebP, AVIF, BMP, GIF or TIFF image.")


def test_too_many_unreadable_files_are_an_error_that_names_some(root: Path) -> None:
    for number in range(10):
        (root / "cat" / f"{number}.jpg").write_text("no picture")
    with pytest.raises(SetupError) as error:
        _load(root)
    text = str(error.value)
    assert "10 of the first 64 files" in text
    assert "of all 90" in text
    assert "cat/0.jpg" in text
    assert "--max-unreadable" in text
    assert "\n" not in text
    assert _load(root, max_unreadable=0.12).report.unreadable_count == 10
    assert not list((root.parent / "scratch").rglob("decoded.pixels"))


def _nothing(root: Path) -> None:
    shutil.rmtree(root)


def _one_class(root: Path) -> None:
    shutil.rmtree(root / "dog")


def _no_images(root: Path) -> None:
    for file in root.rglob("*.png"):
        file.rename(file.with_suffix(".txt"))


def _few(root: Path) -> None:
    fill(root / "fox", 3, 9000)


def _few_that_differ(root: Path) -> None:
    for number in range(10):
        write(root / "fox" / f"{number}.png", noise(1))


def _unknown(root: Path) -> None:
    _into_train(root)
    fill(root / "test" / "fox", 5, 9000)


def _mixed(root: Path) -> None:
    for name in ("train", "test"):
        fill(root / name / "cat", 5, 9000)


def _into_train(root: Path) -> None:
    (root / "train").mkdir()
    for name in ("cat", "dog"):
        (root / name).rename(root / "train" / name)


def _flat_test(root: Path) -> None:
    _into_train(root)
    fill(root / "test", 5, 9000)


def _extra(root: Path) -> None:
    _into_train(root)
    fill(root / "extra" / "cat", 5, 9000)


def _only_validated(root: Path) -> None:
    _into_train(root)
    for number, name in enumerate(("cat", "dog", "fox")):
        fill(root / "validation" / name, 5, 9000 + 100 * number)


def _no_text(root: Path) -> None:
    os.rename(os.fsencode(root / "dog"), os.fsencode(root) + b"/d\xf6g")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_nothing, ("No such file", "one folder per class")),
        (_one_class, ("one class, cat", "needs two")),
        (_no_images, ("no images", "folder")),
        (_few, ("class fox has 3 images", "needs 4")),
        (_few_that_differ, ("class fox has 1 image to learn", "needs 4 different")),
        (_unknown, ("fox/ of test/", "rename it")),
        (_mixed, ("cat/ beside it has none", "move cat/ elsewhere")),
        (
            _flat_test,
            ("train/ has class folders", "test/ beside it has none", "sort its images"),
        ),
        (_extra, ("train/ has class folders", "extra/ beside it has none", "move extra/")),
        (_only_validated, ("class fox has 0 images to learn from", "add some, or move its folder")),
        (_no_text, ("d\\xf6g", "rename it")),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_an_unusable_folder_is_one_line_with_the_fix(
    spoil: Callable[[Path], None], words: tuple[str, ...], root: Path
) -> None:
    spoil(root)
    with pytest.raises(SetupError) as error:
        _load(root)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_imbalance_is_reported_with_its_fix(root: Path) -> None:
    fill(root / "fox", 8, 9000)
    [note] = _load(root).report.notes
    assert "fox only" in note
    assert "--weighted" in note


def test_a_stopped_load_leaves_nothing_and_is_restarted(root: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise Stop

    scratch = root.parent / "scratch"
    with pytest.raises(Stop):
        load.load(LabelledData(str(root)), PHOTO.size, None, scratch, on_progress=stop)
    assert not [path for path in scratch.rglob("*") if path.is_file()]
    # A killed load leaves files, but not the one that records their completion.
    whole = load.load(
        LabelledData(str(root)), PHOTO.size, None, scratch
    ).data.examples.fingerprint()
    [about] = scratch.rglob("about.json")
    about.unlink()
    [pixels] = scratch.rglob("training.pixels")
    pixels.write_bytes(b"")
    again = load.load(LabelledData(str(root)), PHOTO.size, None, scratch)
    assert again.data.examples.fingerprint() == whole


def test_any_folder_with_an_image_can_be_evaluated(tmp_path: Path) -> None:
    fill(tmp_path / "root" / "test" / "cat", 2)
    spec = Preprocessing(10, 12, 3)
    loaded = load.load(LabelledData(str(tmp_path / "root")), None, spec, tmp_path / "scratch")
    assert loaded.report.test == (2,)
    assert loaded.data.test is not None
    assert loaded.data.test.images.shape == (2, 10, 12, 3)
    assert loaded.data.preprocessing == spec


_CLOSED = """
import json, sys
from pathlib import Path
from shared.errors import SetupError
from shared.recipes import RECIPES
from worker.datasets import load
from worker.datasets.corrected_walk import LabelledData
for root, scratch in json.loads(sys.argv[1]):
    try:
        load.load(LabelledData(root), RECIPES["fast"].size, None, Path(scratch))
    except SetupError as error:
        print(json.dumps([root, str(error)]))
"""
CLOSED = ("a", "a/more", ".")


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """A closed folder and the line about its data set, by the folder's place.

    One process reads all of them, since it takes longer to start than to read.
    """
    top = tmp_path_factory.mktemp("closed")
    roots = {place: top / str(number) for number, place in enumerate(CLOSED)}
    for place, root in roots.items():
        fill(root / "a/more", 6)
        fill(root / "b", 6, 100)
        os.chmod(root / place, 0)
    calls = [(str(root), f"{root}-scratch") for root in roots.values()]
    done = subprocess.run(
        [*obeying(top), sys.executable, "-c", _CLOSED, json.dumps(calls)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for place, root in roots.items():
        os.chmod(root / place, 0o700)
    lines = dict(json.loads(line) for line in done.stdout.splitlines())
    return {place: ((root / place).resolve(), lines[str(root)]) for place, root in roots.items()}


@pytest.mark.parametrize("place", CLOSED)
def test_an_unreadable_folder_is_named_and_not_called_empty(
    refused: dict[str, tuple[Path, str]], place: str
) -> None:
    closed, line = refused[place]
    assert "\n" not in line
    assert str(closed) in line
    assert "Permission denied" in line
    assert "add some" not in line
