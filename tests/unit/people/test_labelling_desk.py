"""What a page waits for, and what the process that learns gets of decisions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from producer.people.folder_decisions import FolderDecisions
from producer.people.folder_images import FolderImages
from producer.people.folder_names import FolderNames
from producer.people.folder_queue import FolderQueue
from producer.people.learner import StackLabel
from producer.people.queue import Decide
from shared.errors import UsageError
from shared.labels.label_line import ImageKind, LabelLine
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided
from shared.messages.labelling import NO_LABEL, Counts, Page
from shared.messages.replies import FolderFeatures


class _Noting:
    """Stands for the process that learns: notes orders, and proposes what a test says."""

    def __init__(self) -> None:
        self.labels: dict[int, StackLabel] = {}
        self.suggested: list[int] = []
        self.page = Page("end")
        self.since: list[float] = []  #: each page was asked for

    def decide(self, labels: Mapping[int, StackLabel]) -> None:
        self.labels |= labels

    def suggest(self, labels: Mapping[int, int]) -> None:
        self.suggested.append(labels[0])

    def next(self, without: list[int], settled: bool, since: float) -> Page:
        self.since.append(since)
        return self.page

    def ask(self, *_: object) -> Counts:
        return Counts(1, 0, 0)


@pytest.fixture
def learner() -> _Noting:
    return _Noting()


@pytest.fixture
def desk(tmp_path: Path, learner: _Noting) -> Iterator[FolderQueue]:
    with opened(tmp_path, learner) as found:
        yield found


@contextmanager
def opened(tmp_path: Path, learner: _Noting) -> Iterator[FolderQueue]:
    """A folder of one image."""
    (tmp_path / "a.png").write_bytes(b"one")
    features = FolderFeatures(
        bytes(tmp_path), [bytes(tmp_path / "a.png")], hashlib.sha256(b"one").digest(), 1, bytes(2),
        bytes(4), [], b"",
    )  # fmt: skip
    images = FolderImages(features, "photos")
    with closing(LabelsFile(tmp_path / "f")) as file:
        decisions = FolderDecisions(images, file, "ada")
        names = FolderNames(images, decisions, "ada", asks=False)
        yield FolderQueue(
            "photos", "f", 0, images, decisions, cast(Any, learner), cast(Any, None), names
        )


def give(desk: FolderQueue, kind: ImageKind, label: str) -> None:
    desk.decide({0: Decided(kind, label)}, Decide([]))


def test_a_page_waits_for_a_head_since_the_decision_came_not_since_it_was_saved(
    desk: FolderQueue, learner: _Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, append = [100.0], desk.decisions.file.append

    def slow(lines: Sequence[LabelLine]) -> None:
        clock[0] += 5  # of the disk
        append(lines)

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(desk.decisions.file, "append", slow)
    give(desk, "label", "coat")
    desk.page({})
    assert learner.since == [100.0, 105.0]
    assert desk.decide({0: None}, Decide([], next_page=False)).page is None
    assert len(learner.since) == 2


class _SlowName(str):
    """A name that lets other threads continue whenever it is looked up."""

    def __hash__(self) -> int:
        time.sleep(0.01)
        return super().__hash__()


def test_new_names_of_several_tabs_have_a_number_each(desk: FolderQueue, learner: _Noting) -> None:
    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(lambda name: desk.suggest({0: _SlowName(name)}), "abcd"))
    assert sorted(learner.suggested) == [0, 1, 2, 3]


def test_after_a_new_start_the_learner_knows_excluded_names_and_what_chance_drew(
    tmp_path: Path, learner: _Noting
) -> None:
    learner.page = Page("chance", NO_LABEL, [0], [NO_LABEL], [0.0])
    with opened(tmp_path, learner) as desk:
        desk.page({})
        give(desk, "not-this", "coat")
        assert learner.labels[0] == StackLabel(NO_LABEL, True, [0])
    learner.labels.clear()
    with opened(tmp_path, learner):
        assert learner.labels[0] == StackLabel(NO_LABEL, True, [0])


def test_an_excluded_name_is_never_proposed_also_not_after_an_undo(
    desk: FolderQueue, learner: _Noting
) -> None:
    for name in ("coat", "hat", "shoe"):
        give(desk, "label", name)
    give(desk, "not-this", "shoe")
    give(desk, "not-this", "hat")
    learner.page = Page("naming", NO_LABEL, [0], [0], [0.5], [[1, 2, 0]])
    assert [one.others for one in desk.page({}).items] == [[("coat", 0.0)]]
    learner.page = Page("end")
    give(desk, "label", "coat")
    undone = desk.undo()
    assert undone is not None
    assert undone.page is not None
    (shown,) = undone.page.items
    assert (undone.page.why, shown.others) == ("undone", [("coat", 0.0)])
    assert shown.taken_back == Decided("label", "coat")


def test_a_rename_that_is_taken_back_is_followed_by_a_page_and_nothing_by_nothing(
    desk: FolderQueue,
) -> None:
    assert desk.undo() is None
    give(desk, "label", "coat")
    desk.relabel("coat", "hat")
    undone = desk.undo()
    assert undone is not None
    assert undone.page is not None
    assert (undone.page.why, undone.labels) == ("end", ["coat"])


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "other"}, {"kind": "not-this"}, {"kind": "not-this", "label": "coat"},
        {"kind": "label"}, {"kind": "left-out", "label": "coat"}, {"kind": "label", "label": "a"},
    ],
)  # fmt: skip
def test_a_kind_of_decision_that_there_is_none_of_is_refused(
    desk: FolderQueue, query: dict[str, str]
) -> None:
    give(desk, "label", "coat")
    with pytest.raises(UsageError, match=r"there is no such kind|no image has the label"):
        desk.page(query)


def test_the_picture_of_a_file_that_has_changed_says_so(tmp_path: Path, desk: FolderQueue) -> None:
    (tmp_path / "a.png").write_bytes(b"another")
    picture = desk.picture(0, 256)
    assert not picture.webp
    assert "changed" in picture.why
