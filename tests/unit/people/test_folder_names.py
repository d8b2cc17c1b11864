"""What the page asks about the names of class folders: nothing becomes a label before a person has
confirmed it, and nothing is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from producer.people.folder_names import FolderNames
from shared.errors import UsageError
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided
from tests.unit.people.test_existing_labels import Folder

FILES = {
    "loose.jpg": b"loose", "Coat/1.jpg": b"one", "Coat/deep/2.jpg": b"two", "Hat/3.jpg": b"three",
    "Hat/copy.jpg": b"both", "Coat/copy.jpg": b"both", "unknown/4.jpg": b"four", "con/5.jpg": b"5",
    "2023-05-01/6.jpg": b"six", "100CANON/7.jpg": b"seven",
}  # fmt: skip
OF_COAT = {"one": "Coat", "two": "Coat"}


class Page:
    """What the page of one start asks and decides."""

    def __init__(self, images: FolderImages, file: LabelsFile, asks: bool = True) -> None:
        self.decisions = FolderDecisions(images, file, "ada")
        self.names = FolderNames(images, self.decisions, "ada", asks)

    @property
    def asked(self) -> list[str]:
        return [folder.name for folder in self.names.proposed()]


@contextmanager
def started(folder: Folder, folders: bool | None = None) -> Iterator[Page]:
    """A start of the command."""
    folder.take(folders=folders)
    file = LabelsFile(folder.file)
    try:
        yield Page(folder.images, file, asks=folders is None)
    finally:
        file.close()


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path, FILES)


def test_folders_that_may_be_labels_are_proposed_and_none_is_taken(folder: Folder) -> None:
    """No date, no folder of a camera, no reserved name and none that no label can have; no image
    with a copy in a folder of another name."""
    with started(folder) as page:
        coat, hat = page.names.proposed()
    assert (coat.name, coat.images, len(coat.items)) == ("Coat", 2, 2)
    assert (hat.name, hat.images, len(hat.items)) == ("Hat", 1, 1)
    assert folder.labels() == {}


def test_a_confirmed_name_labels_its_images_as_a_person_does(folder: Folder) -> None:
    with started(folder) as page:
        page.names.answer(["Coat"], True)
        assert page.asked == ["Hat"]
        assert page.decisions.by_folders() == 0
        assert page.decisions.labels == ["Coat"]
    assert folder.labels() == OF_COAT
    (folder.root / "Coat/new.jpg").write_bytes(b"new")
    folder.contents |= Folder(folder.root.parent / "again", {"new.jpg": b"new"}).contents
    with started(folder) as page:
        assert page.asked == ["Hat"]
        assert page.decisions.by_folders() == 0
    assert folder.labels() == OF_COAT | {"new": "Coat"}


def test_a_start_names_the_folders_that_the_page_asks_about_and_says_nothing_without_any(
    folder: Folder,
) -> None:
    with started(folder) as page:
        (note,) = page.names.notes()
        assert "Coat/, Hat/" in note
        page.names.answer(["Coat", "Hat"], False)
        assert page.names.notes() == []


def test_a_declined_name_is_not_asked_about_again(folder: Folder) -> None:
    with started(folder) as page:
        page.names.answer(["Coat", "Hat"], False)
        assert page.asked == []
    with started(folder) as page:
        assert page.asked == []
    assert folder.labels() == {}


def test_undo_takes_a_reply_back_and_asks_again(folder: Folder) -> None:
    with started(folder) as page:
        page.decisions.decide({0: Decided("label", "Shoe")})
        before = folder.labels()
        page.names.answer(["Coat"], True)
        page.names.answer(["Hat"], False)
        assert page.decisions.undo() == {}
        assert page.asked == ["Hat"]
        assert page.decisions.undo() == {}
        assert page.asked == ["Coat", "Hat"]
        assert page.decisions.labels == ["Shoe"]
        assert page.decisions.undo_stacks() == {0: Decided("label", "Shoe")}
        page.decisions.decide({0: Decided("label", "Shoe")})
        page.names.answer(["Coat", "Hat"], True)
        page.decisions.undo()
        assert page.asked == ["Coat", "Hat"]
    assert folder.labels() == before
    with started(folder) as page:
        assert page.asked == ["Coat", "Hat"]
        page.names.answer(["Coat"], True)
    assert folder.labels() == before | OF_COAT


def test_what_a_person_has_decided_is_neither_asked_about_nor_changed(folder: Folder) -> None:
    folder.decide(b"one", Decided("label", "Scarf"))
    folder.decide(b"three", Decided("cannot-tell"))
    before = folder.labels()
    with started(folder) as page:
        assert [(one.name, one.images) for one in page.names.proposed()] == [("Coat", 1)]
        page.names.answer(["Coat"], True)
    assert folder.labels() == before | {"two": "Coat"}


def test_without_the_question_nothing_is_asked(folder: Folder) -> None:
    """Labels of folders that no person has seen are counted apart until one confirms them."""
    with started(folder, folders=False) as page:
        assert page.asked == []
    with started(folder, folders=True) as page:
        assert page.asked == []
        assert page.decisions.by_folders() == len(folder.labels()) == 5
        assert folder.labels()["six"] == "2023-05-01"
        page.decisions.decide({0: Decided("label", "Shoe")})
    with started(folder) as page:
        assert page.asked == []
        assert page.decisions.by_folders() + 1 == len(folder.labels())


def test_a_reply_about_a_folder_that_is_not_proposed_is_refused(folder: Folder) -> None:
    with started(folder) as page:
        for names in (["Shoe"], ["Coat", "2023-05-01"], []):
            with pytest.raises(UsageError, match="another page has replied"):
                page.names.answer(names, True)
    assert not folder.file.exists()
