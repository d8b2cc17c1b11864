"""`hangtag.groups` and `hangtag.similar`: a request for features, and a process that compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

import hangtag
from shared.messages.requests import Progress
from tests.support.pages.planted_folder import COLOURS, PlantedFolder, plant
from tests.support.processes.fleet import Fleet, wait_for
from tests.support.processes.label_server import answer_features, finish_features
from tests.support.processes.manual_trainer import Hand

IMAGES, COPIES = 30, 2
T = TypeVar("T")


@pytest.fixture(scope="module")
def hand(running: Fleet) -> Hand:
    hand = Hand(running.server)
    hand.live()
    return hand


@pytest.fixture
def folder(here: Path) -> PlantedFolder:
    return plant(here / "photos", IMAGES, COPIES)


def answered(hand: Hand, folder: PlantedFolder, call: Callable[[], T]) -> T:
    """What a call returns, whose request this trainer answers."""
    with ThreadPoolExecutor(1) as pool:
        trainer = pool.submit(answer_features, hand, folder)
        made = call()
        trainer.result()
    return made


def test_groups_are_of_alike_images_with_near_duplicates_together(
    hand: Hand, folder: PlantedFolder
) -> None:
    groups = answered(hand, folder, lambda: hangtag.groups("photos/", 3, progress=False))
    colours = [{folder.colours[Path(path).name] for path in group.paths} for group in groups]
    assert sorted(colour for (colour,) in colours) == sorted(COLOURS)
    assert sorted(path for group in groups for path in group.paths) == [
        f"photos/{name}" for name in sorted(folder.colours)
    ]
    sizes = Counter(folder.colours.values())
    assert [len(group) for group in groups] == sorted(sizes.values(), reverse=True)
    stacks = [stack for group in groups for stack in group.stacks if len(stack) > 1]
    assert stacks == [("photos/0000.png", "photos/0030.png", "photos/0031.png")]


def test_similar_images_come_with_their_likeness_copies_first(
    hand: Hand, folder: PlantedFolder, here: Path
) -> None:
    copy = here / "copy.png"
    copy.write_bytes((folder.root / "0000.png").read_bytes())
    made = answered(hand, folder, lambda: hangtag.similar("photos", "photos/0000.png", 6))
    assert [(path, likeness) for path, likeness in made[:2]] == [
        ("photos/0030.png", 1), ("photos/0031.png", 1),
    ]  # fmt: skip
    assert {folder.colours[Path(image.path).name] for image in made} == {folder.colours["0000.png"]}
    assert len(made) == 6
    assert [image.likeness for image in made] == sorted((i.likeness for i in made), reverse=True)
    (one,) = answered(hand, folder, lambda: hangtag.similar(folder.root, copy, 1))
    assert one == (str(folder.root / "0000.png"), 1)


def test_an_interrupted_call_is_followed_by_the_same_one(hand: Hand, folder: PlantedFolder) -> None:
    stop, told = hangtag.Stop(), Progress("loading", step=1, steps=2)
    seen = list[Progress]()

    def tell() -> str:
        (request,) = wait_for("the request", hand.open)
        hand.claim(request)
        hand.tell(request, told)
        return request

    with ThreadPoolExecutor(1) as pool:
        claimed = pool.submit(tell)
        with pytest.raises(hangtag.HangtagError):
            hangtag.groups("photos", stop=stop, progress=lambda _: stop.request())
    request = claimed.result()

    def finish(progress: Progress) -> None:
        if not seen:
            finish_features(hand, folder, request)
        seen.append(progress)

    assert sum(map(len, hangtag.groups("photos", progress=finish))) == IMAGES + COPIES
    assert seen[0] == told


WRONG: dict[str, tuple[Callable[..., Any], tuple[Any, ...], str]] = {
    "empty": (hangtag.groups, ("",), "the name of the folder is empty; name a folder of images"),
    "address": (hangtag.groups, ("s3://b/p",), "is an address, and .*; name a folder of images"),
    "count": (hangtag.groups, ("photos", 0), "count=0 is not within 1 to 1,000"),
    "images": (hangtag.similar, ("photos", "photos/0000.png", 0), "count=0 is not from 1"),
    "missing": (hangtag.similar, ("photos", "none.png"), "none.png cannot be read .*; check the"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_call_is_refused_before_anything_is_computed(
    hand: Hand, folder: PlantedFolder, name: str
) -> None:
    function, arguments, sentence = WRONG[name]
    with pytest.raises(hangtag.UsageError, match=sentence) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    assert hand.open() == []


def test_an_image_that_the_folder_has_not_is_refused_by_its_content(
    hand: Hand, folder: PlantedFolder, here: Path
) -> None:
    other = here / "other.png"
    other.write_bytes(b"another")
    with pytest.raises(hangtag.UsageError, match=r"other\.png is none of the readable"):
        answered(hand, folder, lambda: hangtag.similar("photos", other))
