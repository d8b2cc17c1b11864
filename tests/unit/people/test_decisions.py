"""FolderDecisions about stacks: a line for each image of different content, none for one that has
changed, and what holds for a stack of several."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from shared.labels.label_line import LabelLine
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided
from shared.messages.replies import FolderFeatures

COAT, HAT = Decided("label", "coat"), Decided("label", "hat")
NO_COAT, NO_HAT = Decided("not-this", "coat"), Decided("not-this", "hat")
#: The images of one stack: two are equal.
FILES = {"a.jpg": b"one", "b.jpg": b"one", "c.jpg": b"other"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def decisions(folder: Path) -> Iterator[FolderDecisions]:
    with opened(folder) as found:
        yield found


@contextmanager
def opened(folder: Path) -> Iterator[FolderDecisions]:
    digests = b"".join(hashlib.sha256(content).digest() for content in FILES.values())
    features = FolderFeatures(
        bytes(folder), [bytes(folder / name) for name in FILES], digests, 1, bytes(2 * len(FILES)),
        np.zeros(len(FILES), "<u4").tobytes(), [], b"",
    )  # fmt: skip
    with closing(LabelsFile(folder / "labels.jsonl")) as file:
        yield FolderDecisions(FolderImages(features, "photos"), file, "ada")


def lines(folder: Path) -> int:
    return len((folder / "labels.jsonl").read_bytes().splitlines())


def test_equal_files_have_one_line(folder: Path, decisions: FolderDecisions) -> None:
    assert decisions.decide({0: COAT}) == []
    assert lines(folder) == 2
    assert decisions.of(0) == COAT
    for _ in range(2):  # there is nothing to take back the second time
        assert decisions.decide({0: None}) == []
        assert lines(folder) == 4
    assert decisions.of(0) is None
    assert [decisions.undo_stacks() for _ in range(3)] == [{0: None}, {0: COAT}, None]


def test_a_stack_is_decided_once_all_that_can_be_used_are(
    folder: Path, decisions: FolderDecisions
) -> None:
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").unlink()
    assert len(decisions.decide({0: COAT})) == 2
    assert decisions.of(0) == COAT
    (folder / "c.jpg").unlink()
    assert len(decisions.decide({0: HAT})) == 3
    assert decisions.of(0) == Decided("cannot-tell")  # is not shown again


def test_a_stack_is_shown_again_if_an_image_came_later(folder: Path) -> None:
    with opened(folder) as decisions:
        decisions.decide({0: COAT})
    first, _ = (folder / "labels.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "labels.jsonl").write_bytes(first)
    with opened(folder) as decisions:
        assert decisions.of(0) is None


@pytest.mark.parametrize("drawn", [False, True])
def test_what_chance_drew_is_known_after_a_new_start(folder: Path, drawn: bool) -> None:
    with opened(folder) as decisions:
        decisions.draw([0] * drawn)
        decisions.decide({0: COAT})
    with opened(folder) as decisions:
        assert decisions.was_drawn(0) == drawn


def test_decisions_of_several_tabs_are_saved_one_after_the_other(
    decisions: FolderDecisions, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, append = list[int](), decisions.file.append

    def slow(lines: Sequence[LabelLine]) -> None:
        inside.append(len(lines))
        time.sleep(0.01)
        assert len(inside) == 1
        append(lines)
        inside.clear()

    monkeypatch.setattr(decisions.file, "append", slow)
    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(lambda given: decisions.decide({0: given}), [COAT, HAT] * 4))


def held(decisions: FolderDecisions) -> tuple[Decided | None, tuple[str, ...]]:
    return decisions.of(0), decisions.excluded(0)


def test_each_undo_restores_labels_and_names_that_are_excluded(decisions: FolderDecisions) -> None:
    steps = [NO_COAT, COAT, NO_COAT, HAT, NO_HAT, None, COAT]
    states = [held(decisions)]
    for step in steps:
        decisions.decide({0: step})
        states.append(held(decisions))
    assert states[-3:] == [(None, ("coat", "hat")), (None, ()), (COAT, ())]
    for step, state in zip(reversed(steps), reversed(states[:-1]), strict=True):
        assert decisions.undo_stacks() == {0: step}
        assert held(decisions) == state
    assert decisions.undo() is None


def test_an_undo_writes_nothing_about_names_that_stay_excluded(
    folder: Path, decisions: FolderDecisions
) -> None:
    decisions.decide({0: NO_COAT})
    decisions.decide({0: NO_HAT})
    before = lines(folder)
    decisions.undo()
    assert lines(folder) == before + 2  # one for each different image
    assert held(decisions) == (None, ("coat",))


def test_an_excluded_name_follows_a_rename_and_its_undo(decisions: FolderDecisions) -> None:
    decisions.decide({0: COAT})
    decisions.decide({0: NO_HAT})
    decisions.relabel("coat", "jacket")
    decisions.decide({0: Decided("not-this", "jacket")})
    assert held(decisions) == (None, ("hat", "jacket"))
    decisions.undo()
    assert held(decisions) == (Decided("label", "jacket"), ("hat",))
    decisions.undo()
    assert held(decisions) == (COAT, ("hat",))


def test_a_rename_is_taken_back_by_one_line_however_many_images_have_the_label(
    folder: Path, decisions: FolderDecisions
) -> None:
    decisions.decide({0: COAT})
    before = lines(folder)
    decisions.relabel("coat", "jacket")
    assert decisions.undo_stacks() == {}
    assert lines(folder) == before + 2
    assert held(decisions) == (COAT, ())
