"""What a page waits for, and what the process that learns gets of decisions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from producer.people.decisions import Decisions
from producer.people.folder_images import FolderImages
from producer.people.folder_queue import Desk
from producer.people.learner import StackLabel
from shared.labels.label_line import ImageKind
from shared.labels.labels_file import LabelsFile
from shared.labels.labels_so_far import Decided
from shared.messages.folder_features import FolderFeatures
from shared.pipes.labelling import NO_LABEL, Counts, Page


def test_a_page_waits_for_a_head_since_the_decision_came_not_since_it_was_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, since = [100.0], list[float]()

    def decide(given: Mapping[int, Decided | None]) -> list[Any]:
        clock[0] += 5  # a slow disk
        return []

    def next_page(without: list[int], settled: bool, asked: float) -> Page:
        since.append(asked)
        return Page("end")

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    made = Desk(
        "photos", "f", 0, cast(Any, SimpleNamespace(stacks=[[0]])),
        cast(Any, SimpleNamespace(
            decide=decide, labels=[], of=lambda _: None, excluded=lambda _: (), by_folders=int
        )),
        cast(Any, SimpleNamespace(
            decide=lambda _: None, next=next_page, counts=lambda _: Counts(1, 0, 0)
        )),
        cast(Any, None),
    )  # fmt: skip
    made.decide({0: None}, [])
    made.next()
    assert since == [100.0, 105.0]
    assert made.decide({0: None}, [], next_page=False).page is None
    assert len(since) == 2


class _Noting:
    """Stands for the process that learns: notes orders, and proposes what a test says."""

    def __init__(self) -> None:
        self.labels: dict[int, StackLabel] = {}
        self.suggested: list[int] = []
        self.page = Page("end")

    def decide(self, labels: Mapping[int, StackLabel]) -> None:
        self.labels |= labels

    def suggest(self, labels: Mapping[int, int]) -> None:
        self.suggested.append(labels[0])

    def next(self, *_: object) -> Page:
        return self.page

    def counts(self, _: bool) -> Counts:
        return Counts(1, 0, 0)


@pytest.fixture
def learner() -> _Noting:
    return _Noting()


@pytest.fixture
def desk(tmp_path: Path, learner: _Noting) -> Iterator[Desk]:
    with opened(tmp_path, learner) as found:
        yield found


@contextmanager
def opened(tmp_path: Path, learner: _Noting) -> Iterator[Desk]:
    """A folder of one image."""
    (tmp_path / "a.png").write_bytes(b"one")
    features = FolderFeatures(
        bytes(tmp_path), [bytes(tmp_path / "a.png")], hashlib.sha256(b"one").digest(), 1, bytes(2),
        bytes(4), [], b"",
    )  # fmt: skip
    images = FolderImages(features, "photos")
    with closing(LabelsFile(tmp_path / "f")) as file:
        decisions = Decisions(images, file, "ada")
        yield Desk("photos", "f", 0, images, decisions, cast(Any, learner), cast(Any, None))


def give(desk: Desk, kind: ImageKind, label: str) -> None:
    desk.decide({0: Decided(kind, label)}, [])


class _SlowName(str):
    """A name that lets other threads continue whenever it is looked up."""

    def __hash__(self) -> int:
        time.sleep(0.01)
        return super().__hash__()


def test_new_names_of_several_tabs_have_a_number_each(desk: Desk, learner: _Noting) -> None:
    with ThreadPoolExecutor(4) as tabs:
        list(tabs.map(lambda name: desk.suggest({0: _SlowName(name)}), "abcd"))
    assert sorted(learner.suggested) == [0, 1, 2, 3]


def test_after_a_new_start_the_learner_knows_excluded_names_and_what_chance_drew(
    tmp_path: Path, learner: _Noting
) -> None:
    learner.page = Page("chance", NO_LABEL, [0], [NO_LABEL], [0.0])
    with opened(tmp_path, learner) as desk:
        desk.next()
        give(desk, "not-this", "coat")
        assert learner.labels[0] == StackLabel(NO_LABEL, True, [0])
    learner.labels.clear()
    with opened(tmp_path, learner):
        assert learner.labels[0] == StackLabel(NO_LABEL, True, [0])


def test_an_excluded_name_is_never_proposed_also_not_after_an_undo(
    desk: Desk, learner: _Noting
) -> None:
    for name in ("coat", "hat", "shoe"):
        give(desk, "label", name)
    give(desk, "not-this", "shoe")
    give(desk, "not-this", "hat")
    learner.page = Page("naming", NO_LABEL, [0], [0], [0.5], [[1, 2, 0]])
    assert [one.proposals for one in desk.next().stacks] == [["coat"]]
    learner.page = Page("end")
    give(desk, "label", "coat")
    undone = desk.undo()
    assert undone is not None
    assert undone.page is not None
    (shown,) = undone.page.stacks
    assert (undone.page.why, shown.proposals) == ("undone", ["coat"])
    assert shown.taken_back == Decided("label", "coat")


def test_the_picture_of_a_file_that_has_changed_says_so(tmp_path: Path, desk: Desk) -> None:
    (tmp_path / "a.png").write_bytes(b"another")
    picture = desk.picture(0, 256)
    assert not picture.webp
    assert "changed" in picture.why
