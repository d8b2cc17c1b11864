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
from shared.labels.label_line import LabelLine
from shared.messages.model_card import Card, RightOfOthers
from worker.backbones.photo_features import Features, PhotoFeatures
from worker.datasets.corrected_walk import sha256_of
from worker.datasets.decode_files import THREADS, prefetched, read_file
from worker.datasets.examples import UNDECIDED, Labels
from worker.datasets.folder_layout import NO_LABEL, Item, LooseWalk
from worker.decoding.decode import decode
from worker.evaluation import chance_sample, heldout_answers
from worker.evaluation.diagrams import accepted_accuracy
from worker.evaluation.metrics import Probabilities
from worker.evaluation.operating_points import Predicted, points_by_chance
from worker.heads import near_duplicates
from worker.labelling import acceptance, kmeans
from worker.labelling.fitted import fit
from worker.labelling.session import GROUPS, NONE
from worker.requests import folder_features
from worker.requests.context import Context
from worker.runtimes import load_runtime
from worker.runtimes.runtime import Classifier, probabilities
from worker.train.assessment import POINTS
from worker.train.learner import BuiltVersion, Task
from worker.train.photo_folder import digest_numbers

#: Images without a label that are judged, and labelled ones that this is learned from.
MOST_JUDGED, MOST_LEARNED = 1000, 10_000
#: Each has the whole version in memory.
MOST_THREADS = 4
JUDGING = "images without a label"


class Others(NamedTuple):
    """Images of the folder without a label [n], drawn by their paths."""

    paths: list[bytes]
    guesses: list[str]  #: class folders, by a head like that of the page
    chances: npt.NDArray[np.float32]  #: that these are right
    excluded: list[set[str]]  #: class folders that an image does not belong in


class _Stacks(NamedTuple):
    """Photos with their near-duplicates [m]."""

    features: Features
    labels: Labels  #: NONE: without a label
    excluded: list[set[int]]  #: labels that each does not have
    by_chance: npt.NDArray[np.bool_]  #: which chance drew for the person

    def guessed(self, classes: int) -> tuple[Labels, npt.NDArray[np.float32]]:
        """A guess for each, and how likely it is right; none is while there are too few labels."""
        named = self.labels != NONE
        if len(np.unique(self.labels[named])) < 2:
            return np.zeros(len(named), np.int64), np.zeros(len(named), np.float32)
        rows = near_duplicates.embedded(self.features).astype(np.float32)
        fitted = fit(rows, self.labels, classes)
        groups = kmeans.kmeans(rows, kmeans.count(len(rows), GROUPS), 0).of
        excluded = {stack: labels for stack, labels in enumerate(self.excluded) if labels}
        judged = acceptance.judged(self.labels, excluded, self.by_chance, fitted)
        return fitted.guesses, acceptance.chances(rows, self.labels, judged, groups, fitted)


def judged(context: Context, task: Task, excluded: Mapping[str, Collection[str]]) -> Others:
    """Some images of the folder that have no label, before the training. `excluded` are the names
    that an image does not have, by its SHA-256: such a guess has no chance.

    Raises:
        SetupError: the store cannot be written.
        RequestStopped: the request was cancelled or taken over.
    """
    given = {file.sha256: folder_of(file.label) for file in task.corrections if file.label}
    by_chance_files = {file.sha256 for file in task.corrections if file.by_chance}
    known, others = _items(Path(task.work.data), task.corrections, excluded)
    photos = _photos(context, [*known, *others], task.work.backbone)
    folders = sorted(set(given.values()))
    numbers = {folder: number for number, folder in enumerate(folders)}
    digests = [digest.tobytes().hex() for digest in photos.digests]
    labels = np.array([numbers[given[key]] if key in given else NONE for key in digests])
    if not len(labels) or labels.min() != NONE:
        return Others([], [], np.zeros(0, np.float32), [])
    names = [set(map(folder_of, excluded.get(key, ()))) for key in digests]
    stacks = near_duplicates.groups(photos.features, digest_numbers(photos))
    first = np.unique(stacks, return_index=True)[1]  # a labelled one if there is any
    of_stacks = [{numbers[name] for name in names[place] & numbers.keys()} for place in first]
    by_chance = np.array([digests[place] in by_chance_files for place in first])
    known_stacks = _Stacks(photos.features[first], labels[first], of_stacks, by_chance)
    guesses, chances = known_stacks.guessed(len(folders))
    drawn = {item.path for item in others}
    free = [
        stack
        for stack, place in enumerate(first.tolist())
        if labels[place] == NONE and photos.paths[place] in drawn
    ]
    return Others(
        [photos.paths[first[stack]] for stack in free],
        [folders[guesses[stack]] for stack in free],
        chances[free],
        [names[first[stack]] for stack in free],
    )


def _photos(context: Context, items: Sequence[Item], backbone: str) -> PhotoFeatures:
    """The features of the items that are images."""

    def done(files: int) -> None:
        context.loading_part(JUDGING, files, len(items))

    return folder_features.computed(context, items, backbone, done, lambda bad: None)[0]


def _items(
    root: Path, files: Sequence[LabelLine], excluded: Collection[str]
) -> tuple[list[Item], list[Item]]:
    """Images with a label or an excluded name, found by content; and some of those without a label,
    which their paths draw."""
    given = {file.sha256: file for file in files if file.label}
    sizes = {file.size for file in files}
    known: dict[str, Item] = {}

    def others() -> Iterator[Item]:
        for item in LooseWalk(root).items():
            sha256 = sha256_of(item.path, sizes)
            if sha256 in given or sha256 in excluded:
                known[sha256] = item
            if sha256 not in given:
                yield item

    drawn = _drawn(others(), root, MOST_JUDGED)
    for sha256, file in given.items():
        if sha256 not in known and file.place:  # elsewhere
            known[sha256] = Item(file.place, NO_LABEL, UNDECIDED)
    twice = {item.path for item in drawn}
    learned = (item for item in known.values() if item.path not in twice)
    return _drawn(learned, root, MOST_LEARNED), drawn


def _drawn(items: Iterable[Item], root: Path, most: int) -> list[Item]:
    """Those that their paths draw below the folder: the same wherever it lies."""
    above = os.fsencode(root)

    def key(item: Item) -> bytes:
        return hashlib.sha256(item.path.removeprefix(above)).digest()

    return heapq.nsmallest(most, items, key)


def applied(task: Task, made: BuiltVersion, others: Others) -> BuiltVersion:
    """The version with the operating points of these images, and what is right of them; as it is if
    there are none.

    Raises:
        RequestStopped: the request was cancelled or taken over.
    """
    if not others.paths:
        return made
    answers = heldout_answers.decode(made.files[heldout_answers.FILE], made.card)
    held = probabilities(answers.logits, made.card.temperature)
    predicted, denied = _predicted(task, made, others)
    points = points_by_chance(predicted, len(made.card.labels))
    plot = {POINTS: accepted_accuracy(held, answers.labels, ())}  # of held-out images
    sample = chance_sample.drawn(answers, made.card, task.corrections)
    right = chance_sample.share_right(sample, np.where(denied, 0, predicted.confidence))
    stated = None if right is None else RightOfOthers(*right)
    card = structs.replace(made.card, operating_points=points, right_of_others=stated)
    return BuiltVersion(card, made.files | plot)


def _predicted(
    task: Task, made: BuiltVersion, others: Others
) -> tuple[Predicted, npt.NDArray[np.bool_]]:
    """What the version takes the images for, and whether a person has denied that. A guess other
    than that of the head like the page's has no chance."""
    answers, read = _answers(task, made.card, made.files, others.paths)
    labels = answers.argmax(1).astype(np.int64)
    guesses = [folder_of(made.card.labels[label]) for label in labels]
    same = [guess == others.guesses[n] for guess, n in zip(guesses, read, strict=True)]
    denied = np.array(
        [guess in others.excluded[n] for guess, n in zip(guesses, read, strict=True)], bool
    )
    chances = np.where(np.array(same, bool) & ~denied, others.chances[read], 0)
    confidences = answers.max(1, initial=0).astype(np.float64)
    return Predicted(confidences, labels, chances.astype(np.float64)), denied


def _answers(
    task: Task, card: Card, files: Mapping[str, bytes], paths: Sequence[bytes]
) -> tuple[Probabilities, list[int]]:
    """Probabilities [m, classes] of the images that can still be read, and their places."""
    of_thread = threading.local()
    version = load_runtime.fetch(card, files.__getitem__)

    def answer(path: bytes) -> Probabilities | None:
        if not hasattr(of_thread, "model"):
            of_thread.model = version.load()
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
