"""Which images of a data set measure a version, and how far the figures can be trusted."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.training import FASHION_MNIST
from worker.datasets.examples import HELDOUT, TEST, Examples
from worker.datasets.folder_layout import ClassFolderWalk
from worker.datasets.load import DataSet
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import SeenImages

#: Notes on how far the figures can be trusted, for a folder without test/.
_HELDOUT_NOTE = (
    "there is no test part, so the held-out images are measured; a version that was trained with "
    "this folder was chosen and calibrated with them"
)
_SET_ASIDE_NOTE = (
    "the images that training sets aside for the test are measured; to measure all, put the "
    "class folders into test/"
)
_ALL_NOTE = (
    "all images are measured; the version may have learned from them, which would make its "
    "figures too good"
)
_ALL_NEW_NOTE = "all images are measured; the version has seen none of them"


class MeasuredPart(NamedTuple):
    """The images that are measured."""

    split: str  #: as in Evaluated
    examples: list[Examples]
    notes: tuple[str, ...]  #: on how far the figures can be trusted


def measured(
    card: Card, data: DataSet, given: Collection[int], known: SeenImages | None = None
) -> MeasuredPart:
    """The test images, else the held-out ones; all if the folder has neither part of its own.

    `given` are the parts that the folder has. If it has neither, loading still sets some images
    aside. Only those are measured if the version has learned from the others, and all images if it
    has not. That is decided by the images that the version has seen (`known`), or by the folder's
    name if they are unknown.

    Raises:
        SetupError: there are no images at all.
    """
    test, held = _some(data.test), _some(data.heldout)
    if test and TEST in given:
        return MeasuredPart("test", test, _seen_note(known, test))
    if held and HELDOUT in given:
        return MeasuredPart("heldout", held, _seen_note(known, held) if known else (_HELDOUT_NOTE,))
    parts = [*_some(data.examples), *held, *test]
    if not parts:
        raise SetupError(f"{data.name} has no images to evaluate; name another folder")
    if known and not any(heldout_answers.count_seen(known, parts)):
        return MeasuredPart("all", parts, (_ALL_NEW_NOTE,))
    if test and (card.dataset == data.name or _is_origin(known, data.examples, test)):
        return MeasuredPart("test", test, _seen_note(known, test) or (_SET_ASIDE_NOTE,))
    return MeasuredPart("all", parts, _seen_note(known, parts) if known else (_ALL_NOTE,))


def _is_origin(known: SeenImages | None, examples: Examples, test: list[Examples]) -> bool:
    """Whether the version learned from most of `examples` and has seen no image of `test`."""
    if known is None or any(heldout_answers.count_seen(known, test)):
        return False
    return 2 * heldout_answers.count_seen(known, [examples])[0] > len(examples.labels)


def _seen_note(known: SeenImages | None, parts: list[Examples]) -> tuple[str, ...]:
    """A note with the number of measured images that the version has seen, if any."""
    learned, held = heldout_answers.count_seen(known, parts) if known else (0, 0)
    if not learned and not held:
        return ()
    total = sum(len(part.labels) for part in parts)
    return (
        f"of the {total:,} images that are measured the version learned from {learned:,} and was "
        f"chosen and calibrated with {held:,}; its figures are too good",
    )


def _some(part: Examples | None) -> list[Examples]:
    return [part] if part is not None and len(part.labels) else []


def given_parts(where: str) -> set[int]:
    """The parts that the data define themselves, as in worker/datasets/examples.py."""
    if where == FASHION_MNIST:
        return {TEST}
    return {branch.part for branch in ClassFolderWalk(Path(where)).branches}
