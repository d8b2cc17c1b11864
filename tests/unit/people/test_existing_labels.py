"""Labels of class folders and of tables become lines of the labels file, and give way to those that
a person gives on the page."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path

import pytest

from producer.people import existing_labels
from producer.people.existing_labels import ExistingLabels, of_tables
from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from producer.trainer.corrected_files import labelled_input
from shared.errors import UsageError
from shared.labels.class_folders import SORT_LOG
from shared.labels.labels_file import LabelsFile, read
from shared.labels.labels_so_far import Decided
from shared.labels.submitted_lines import decode_input, input_sha256
from shared.messages.replies import FolderFeatures
from tests.support.jobs.decided import correct, line_of
from tests.support.jobs.finished_job import finish, options_of

FILES = {
    "loose.jpg": b"loose", "other.jpg": b"other", "Coat/1.jpg": b"one", "Coat/deep/2.jpg": b"two",
    "Hat/3.jpg": b"three", "Hat/copy.jpg": b"both", "Coat/copy.jpg": b"both",
    "unknown/4.jpg": b"four", "con/5.jpg": b"five",
}  # fmt: skip
LABELS_OF_FOLDERS = {"one": "Coat", "two": "Coat", "three": "Hat"}


class Folder:
    """A folder of images with a labels file beside it."""

    def __init__(self, where: Path, files: dict[str, bytes]) -> None:
        self.root, self.file = where / "photos", where / "photos.labels.jsonl"
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self.contents = {hashlib.sha256(content).hexdigest(): content for content in files.values()}

    @property
    def images(self) -> FolderImages:
        paths = sorted(path for path in self.root.rglob("*.*") if path.is_file())
        digests = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
        stacks = b"".join(n.to_bytes(4, "little") for n in range(len(paths)))
        features = FolderFeatures(
            bytes(self.root), [bytes(path) for path in paths], b"".join(digests), 1,
            bytes(2 * len(paths)), stacks, [], b"",
        )  # fmt: skip
        return FolderImages(features, "photos")

    def take(self, tables: ExistingLabels | None = None, folders: bool | None = True) -> list[str]:
        with closing(LabelsFile(self.file)) as file:
            return existing_labels.take(
                self.images, file, "ada", tables or ExistingLabels(), folders
            )

    def labels(self) -> dict[str, str]:
        """The labels that hold, by the content of the image."""
        found = read(self.file).so_far.images()
        return {self.contents[sha256].decode(): decided.label for sha256, decided in found.items()}

    def exclude(self, content: bytes, name: str) -> None:
        """That the image does not have a label."""
        with closing(LabelsFile(self.file)) as file:
            file.append([line_of(content, name, at="2026", kind="not-this")])

    def decide(self, content: bytes, decided: Decided | None) -> None:
        """As on the page."""
        images = self.images
        shas = [images.sha256(image) for image in range(len(images))]
        with closing(LabelsFile(self.file)) as file:
            stack = shas.index(hashlib.sha256(content).hexdigest())
            assert FolderDecisions(images, file, "ada").decide({stack: decided}) == []


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, FILES)


def table(where: Path, name: str, **labels: str) -> Path:
    """A table with corrections of contents: a label, and when it was given."""
    where = where / name
    (where / "in").mkdir(parents=True)
    for row, content in enumerate(labels):
        (where / f"in/{row}.png").write_bytes(content.encode())
    finish(options_of(where, b"in"))
    for row, (content, given) in enumerate(labels.items(), 1):
        label, at = given.split("@")
        correct(where / "out.csv", content.encode(), label, row, at=at)
    return where / "out.csv"


def test_the_names_of_class_folders_beside_loose_images_are_labels(folder: Folder) -> None:
    """An image with copies in two of them has none, and a reserved name is none."""
    said = folder.take()
    assert folder.labels() == LABELS_OF_FOLDERS
    assert "1 image with copies in folders of other names" in said[0]
    assert "3 images labelled by the names of their folders, Coat/, Hat/, " in said[1]
    assert "names that no label can have: con;" in said[2]
    data = labelled_input(folder.file, "photos")
    assert {file.label for file in decode_input(data, input_sha256(data))} == {"Coat", "Hat"}
    before = folder.file.read_bytes()
    assert not any("by the names" in line for line in folder.take())
    assert folder.file.read_bytes() == before, "once"


def test_no_name_of_a_folder_is_a_label_unasked(folder: Folder) -> None:
    assert folder.take(folders=None) == []
    assert folder.labels() == {}
    assert not folder.file.exists()


def test_labels_of_folders_and_tables_come_again_after_a_start_without_folders(
    folder: Folder, tmp_path: Path
) -> None:
    """Except where the page has taken a label back, before or after that start."""
    folder.take()
    folder.decide(b"two", None)
    folder.take(folders=False)
    folder.decide(b"three", Decided("label", "Shoe"))
    folder.decide(b"three", None)
    assert folder.labels() == {}
    tables = of_tables([table(tmp_path, "old", one="Scarf@2026", two="Hat@2026", three="Hat@2026")])
    folder.take()
    assert folder.labels() == {"one": "Coat"}
    folder.take(folders=False)
    folder.take(tables, folders=False)
    assert folder.labels() == {"one": "Scarf"}


@pytest.mark.parametrize("name", ["2024/1.jpg", "loose.jpg"])
def test_folders_alone_and_images_alone_have_no_labels(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path, {name: b"one"})
    assert folder.take() == []
    assert folder.labels() == {}


def test_folders_of_a_sort_are_those_of_its_model(folder: Folder) -> None:
    (folder.root / SORT_LOG).touch()
    (line,) = folder.take()
    assert "--from TABLE" in line
    assert folder.labels() == {}


def test_a_decision_of_the_page_counts_more_than_any_other(folder: Folder, tmp_path: Path) -> None:
    old = table(tmp_path, "old", one="Hat@2026", loose="Scarf@2026")
    folder.take(of_tables([old]))
    folder.decide(b"one", Decided("label", "Coat"))
    folder.decide(b"loose", None)
    folder.decide(b"three", Decided("cannot-tell"))
    before = folder.labels()
    new = table(tmp_path, "new", one="Bag@2027", loose="Bag@2027", three="Bag@2027")
    for tables in ([old], [old, new]):
        folder.take(of_tables(tables))
        assert folder.labels() == before == {"one": "Coat", "two": "Coat", "three": ""}


@pytest.mark.parametrize(("at", "later"), [("2025", {}), ("2027", {"other": "Coat"})])
def test_a_name_that_is_excluded_leaves_others_to_tables_and_gives_way_to_a_later_decision(
    folder: Folder, tmp_path: Path, at: str, later: dict[str, str]
) -> None:
    """Not to a folder's name, which comes again with each start."""
    folder.exclude(b"loose", "Coat")
    folder.exclude(b"other", "Coat")
    folder.exclude(b"three", "Hat")
    tables = of_tables([table(tmp_path, "old", loose=f"Scarf@{at}", other=f"Coat@{at}")])
    for _ in range(2):
        folder.take(tables)
        assert folder.labels() == {"one": "Coat", "two": "Coat", "loose": "Scarf", **later}


def test_a_table_counts_more_than_a_folder_and_of_two_tables_the_later_decision(
    folder: Folder, tmp_path: Path
) -> None:
    folder.take()
    old = table(tmp_path, "old", one="Hat@2024", loose="Scarf@2026-02", other="coat@2024")
    new = table(tmp_path, "new", one="Bag@2025", loose="Shoe@2026-01", absent="Shoe@2026")
    found = of_tables([old, new])
    assert found.notes == [
        "2 images with another label in another table: the later decision counts"
    ]
    said = folder.take(found)
    assert f"2 labels taken from the corrections of {old}" in said
    # `coat` has the folder of `Coat`.
    expected = LABELS_OF_FOLDERS | {"one": "Bag", "loose": "Scarf", "other": "Coat"}
    assert folder.labels() == expected
    for again in (found, None):
        folder.take(again)
        assert folder.labels() == expected


def test_a_file_that_has_changed_since_it_was_described_has_no_label(folder: Folder) -> None:
    images = folder.images
    (folder.root / "Coat/1.jpg").write_bytes(b"new")
    (folder.root / "Hat/3.jpg").unlink()
    with closing(LabelsFile(folder.file)) as file:
        existing_labels.take(images, file, "ada", ExistingLabels(), folders=True)
    assert folder.labels() == {"two": "Coat"}


def test_a_table_without_corrections_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no corrections; make some with"):
        of_tables([table(tmp_path, "empty")])
    with pytest.raises(UsageError, match="there is no table"):
        of_tables([tmp_path / "missing.csv"])
