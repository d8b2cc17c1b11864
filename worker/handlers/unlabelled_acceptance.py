"""Which guesses a version accepts that learned from a labels file.

Its held-out images do not tell: they were chosen to be labelled, and none is of a kind that has no
name yet. With 23 of 44 kinds named, 78 % were right of what they accept at 95 %. So it is learned
how likely guesses about other images of the folder are right, as for the page of labels.
"""

from __future__ import annotations

import hashlib
import heapq
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from shared.errors import ImageError
from shared.labels.class_folders import folder_of
from shared.messages.model_card import Card
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import THREADS, prefetched, read_file
from worker.datasets.examples import Labels
from worker.datasets.folder_layout import Item
from worker.datasets.loose_images import NO_LABEL, LooseWalk
from worker.datasets.split import UNDECIDED
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers
from worker.evaluation.operating_points import Predicted, points_by_chance
from worker.evaluation.reliability import Probabilities
from worker.handlers import folder_features
from worker.handlers.context import Context
from worker.labelling import acceptance, kmeans
from worker.labelling.fitted import fit
from worker.labelling.session import GROUPS, NONE
from worker.learners.learner import BuiltVersion, Task
from worker.photo_head import embedding, near_duplicates
from worker.plots.operating_points_plot import accepted_accuracy
from worker.runtimes import load_runtime
from worker.runtimes.classifier import Classifier, probabilities
from worker.training.assessment import POINTS
from worker.training.photo_folder import digest_numbers

#: Images without a label that are judged.
MOST_JUDGED = 1000
JUDGING = "images without a label"


class _Judged(NamedTuple):
    """Images without a label [n]."""

    paths: list[bytes]
    guesses: Labels  #: of the page's head, by the numbers of the card's labels
    chances: npt.NDArray[np.float32]  #: that these are right


def applied(context: Context, task: Task, made: BuiltVersion) -> BuiltVersion:
    """The version of a labels file with the operating points of images without a label; as it is if
    the folder has no such images.

    Raises:
        SetupError: the weights of the backbone are missing, or the store cannot be written.
        RequestStopped: the request was cancelled or taken over.
    """
    judged = _judged(context, task, made.card)
    if judged is None:
        return made
    answers = heldout_answers.decode(made.files[heldout_answers.FILE], made.card)
    held = probabilities(answers.logits, made.card.temperature)
    points = points_by_chance(_predicted(task, made, judged), len(made.card.labels))
    plot = {POINTS: accepted_accuracy(held, answers.labels, ())}  # of held-out images
    return BuiltVersion(structs.replace(made.card, operating_points=points), made.files | plot)


def _judged(context: Context, task: Task, card: Card) -> _Judged | None:
    """Some images without a label; None if there are none, or fewer than two labels."""
    given = {file.sha256: file for file in task.corrections if file.label}
    folders = [folder_of(label) for label in card.labels]
    folders += sorted({folder_of(file.label) for file in given.values()} - set(folders))
    numbers = {folder: number for number, folder in enumerate(folders)}
    named = [file.path for file in given.values() if file.path]
    photos = _photos(context, task, _items(Path(task.work.data), named))
    if not photos.paths:
        return None
    digests = [digest.tobytes().hex() for digest in photos.digests]
    labels = np.array(
        [numbers[folder_of(given[key].label)] if key in given else NONE for key in digests]
    )
    stacks = near_duplicates.groups(photos.fp32, digest_numbers(photos))
    first = np.unique(stacks, return_index=True)[1]  # a labelled one if there is any
    labels = labels[first]
    free = np.flatnonzero(labels == NONE)
    if not len(free) or len(np.unique(labels[labels != NONE])) < 2:
        return None
    rows = embedding.embedded(photos.fp32[first]).astype(np.float32)
    fitted = fit(rows, labels, len(numbers))
    groups = kmeans.kmeans(rows, kmeans.count(len(rows), GROUPS), 0).of
    chances = acceptance.chances(rows, labels, labels != NONE, groups, fitted)
    paths = [photos.paths[place] for place in first[free]]
    return _Judged(paths, fitted.guesses[free], chances[free])


def _photos(context: Context, task: Task, items: Sequence[Item]) -> PhotoFeatures:
    """The features of the items that are images."""
    passed, part = 0, task.observer.part

    def done(files: int) -> None:
        nonlocal passed
        passed += files
        part(JUDGING, passed, len(items))

    return folder_features.computed(context, items, part, done, lambda bad: None)[0]


def _items(root: Path, named: Sequence[bytes]) -> list[Item]:
    """The labelled images, then some of the others, which their paths draw."""
    known = set(named)
    others = (item for item in LooseWalk(root).items() if item.path not in known)
    drawn = heapq.nsmallest(MOST_JUDGED, others, lambda item: hashlib.sha256(item.path).digest())
    return [*(Item(path, NO_LABEL, UNDECIDED) for path in named), *drawn]


def _predicted(task: Task, made: BuiltVersion, judged: _Judged) -> Predicted:
    """What the version takes the images for. A guess other than that of the page's head has no
    chance."""
    answers, read = _answers(task, made.card, made.files, judged.paths)
    labels = answers.argmax(1).astype(np.int64)
    chances = np.where(labels == judged.guesses[read], judged.chances[read], 0)
    return Predicted(answers.max(1).astype(np.float64), labels, chances.astype(np.float64))


def _answers(
    task: Task, card: Card, files: Mapping[str, bytes], paths: Sequence[bytes]
) -> tuple[Probabilities, npt.NDArray[np.bool_]]:
    """Probabilities [m, classes] of the images that can still be read, and which [n] these are."""
    of_thread = threading.local()

    def answer(path: bytes) -> Probabilities | None:
        if not hasattr(of_thread, "model"):
            of_thread.model = load_runtime.load_default(card, files)
        model: Classifier = of_thread.model
        try:
            return model.predict(decode(read_file(path), card.preprocessing)[None])
        except ImageError:  # deleted or changed meanwhile
            return None

    answers = [np.empty((0, len(card.labels)), np.float32)]
    read = np.zeros(len(paths), bool)
    for number, row in enumerate(prefetched(answer, paths, THREADS)):
        task.observer.part(JUDGING, number, len(paths))
        if row is not None:
            answers.append(row)
            read[number] = True
    return np.concatenate(answers), read
