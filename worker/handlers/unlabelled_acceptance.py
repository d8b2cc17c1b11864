"""Which guesses are accepted of a version that learned from a labels file.

Held-out images do not tell: they were chosen to be labelled, and none is of a kind that has no name
yet. With 23 of 44 kinds named, 77 % were right of what they accept at 95 %. So it is learned how
likely guesses about other images of the folder are right, as for the page of labels.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from msgspec import structs

from shared.errors import ImageError
from shared.labels.class_folders import folder_of
from shared.labels.labelled_files import LabelledFile
from shared.messages.model_card import Card
from worker.backbones.photo_features import Features, PhotoFeatures
from worker.datasets.corrected_walk import sha256_of
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

#: Images without a label that are judged, and labelled ones that this is learned from.
MOST_JUDGED, MOST_LEARNED = 1000, 10_000
#: Each has the whole version in memory.
MOST_THREADS = 4
JUDGING = "images without a label"


class Others(NamedTuple):
    """Images of the folder without a label [n]."""

    paths: list[bytes]
    guesses: list[str]  #: class folders, by a head like that of the page
    chances: npt.NDArray[np.float32]  #: that these are right


def judged(context: Context, task: Task, excluded: Mapping[str, Collection[str]]) -> Others:
    """Some images of the folder that have no label, before the training. `excluded` are the names
    that an image does not have, by its SHA-256: such a guess has no chance.

    Raises:
        SetupError: the weights of the backbone are missing, or the store cannot be written.
        RequestStopped: the request was cancelled or taken over.
    """
    given = {file.sha256: folder_of(file.label) for file in task.corrections if file.label}
    photos = _photos(context, _items(Path(task.work.data), task.corrections))
    folders = sorted(set(given.values()))
    numbers = {folder: number for number, folder in enumerate(folders)}
    digests = [digest.tobytes().hex() for digest in photos.digests]
    labels = np.array([numbers[given[key]] if key in given else NONE for key in digests])
    if not len(labels) or labels.min() != NONE:
        return Others([], [], np.zeros(0, np.float32))
    stacks = near_duplicates.groups(photos.fp32, digest_numbers(photos))
    first = np.unique(stacks, return_index=True)[1]  # a labelled one if there is any
    labels = labels[first]
    free = np.flatnonzero(labels == NONE)
    numbered, chances = _chances(photos.fp32[first], labels, len(folders))
    guesses = [folders[number] for number in numbered[free]]
    names = (excluded.get(digests[place], ()) for place in first[free])
    wrong = [guess in map(folder_of, some) for guess, some in zip(guesses, names, strict=True)]
    paths = [photos.paths[place] for place in first[free]]
    return Others(paths, guesses, np.where(wrong, np.float32(0), chances[free]))


def _chances(
    features: Features, labels: Labels, classes: int
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """A guess for each image [n], and how likely it is right; none is while there are too few
    labels."""
    if len(np.unique(labels[labels != NONE])) < 2:
        return np.zeros(len(labels), np.int64), np.zeros(len(labels), np.float32)
    rows = embedding.embedded(features).astype(np.float32)
    fitted = fit(rows, labels, classes)
    groups = kmeans.kmeans(rows, kmeans.count(len(rows), GROUPS), 0).of
    chances = acceptance.chances(rows, labels, labels != NONE, groups, fitted)
    return fitted.guesses, chances


def _photos(context: Context, items: Sequence[Item]) -> PhotoFeatures:
    """The features of the items that are images."""
    passed, part = 0, context.loading_part

    def done(files: int) -> None:
        nonlocal passed
        passed += files
        part(JUDGING, passed, len(items))

    return folder_features.computed(context, items, part, done, lambda bad: None)[0]


def _items(root: Path, files: Sequence[LabelledFile]) -> list[Item]:
    """The labelled images, found by content, then some of the others, which their paths draw."""
    given = {file.sha256: file for file in files if file.label}
    sizes = {file.size for file in given.values()}
    labelled: dict[str, Item] = {}

    def others() -> Iterator[Item]:
        for item in LooseWalk(root).items():
            sha256 = sha256_of(item.path, sizes)
            if sha256 in given:
                labelled[sha256] = item
            else:
                yield item

    drawn = _drawn(others(), root, MOST_JUDGED)
    for sha256, file in given.items():
        if sha256 not in labelled and file.path:  # elsewhere
            labelled[sha256] = Item(file.path, NO_LABEL, UNDECIDED)
    return [*_drawn(labelled.values(), root, MOST_LEARNED), *drawn]


def _drawn(items: Iterable[Item], root: Path, most: int) -> list[Item]:
    """Those that their paths draw below the folder: the same wherever it lies."""
    above = os.fsencode(root)

    def key(item: Item) -> bytes:
        return hashlib.sha256(item.path.removeprefix(above)).digest()

    return heapq.nsmallest(most, items, key)


def applied(task: Task, made: BuiltVersion, others: Others) -> BuiltVersion:
    """The version with the operating points of these images; as it is if there are none.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    if not others.paths:
        return made
    answers = heldout_answers.decode(made.files[heldout_answers.FILE], made.card)
    held = probabilities(answers.logits, made.card.temperature)
    points = points_by_chance(_predicted(task, made, others), len(made.card.labels))
    plot = {POINTS: accepted_accuracy(held, answers.labels, ())}  # of held-out images
    return BuiltVersion(structs.replace(made.card, operating_points=points), made.files | plot)


def _predicted(task: Task, made: BuiltVersion, others: Others) -> Predicted:
    """What the version takes the images for. A guess other than that of the head like the page's
    has no chance."""
    answers, read = _answers(task, made.card, made.files, others.paths)
    labels = answers.argmax(1).astype(np.int64)
    folders = [folder_of(label) for label in made.card.labels]
    same = [folders[label] == others.guesses[n] for label, n in zip(labels, read, strict=True)]
    chances = np.where(same, others.chances[read], 0)
    return Predicted(answers.max(1).astype(np.float64), labels, chances.astype(np.float64))


def _answers(
    task: Task, card: Card, files: Mapping[str, bytes], paths: Sequence[bytes]
) -> tuple[Probabilities, list[int]]:
    """Probabilities [m, classes] of the images that can still be read, and their places."""
    of_thread = threading.local()

    def answer(path: bytes) -> Probabilities | None:
        if not hasattr(of_thread, "model"):
            of_thread.model = load_runtime.load_default(card, files)
        model: Classifier = of_thread.model
        try:
            return model.predict(decode(read_file(path), card.preprocessing)[None])
        except ImageError:  # deleted or changed meanwhile
            return None

    answers, read = [np.empty((0, len(card.labels)), np.float32)], []
    for number, row in enumerate(prefetched(answer, paths, min(THREADS, MOST_THREADS))):
        task.observer.part(JUDGING, number + 1, len(paths))
        if row is not None:
            answers.append(row)
            read.append(number)
    return np.concatenate(answers), read
