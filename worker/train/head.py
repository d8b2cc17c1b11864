"""Fits linear heads to the features that pretrained backbones have for photos.

It learns from all photos. Its held-out answers are out of fold: each photo is answered by a head
that did not learn from it or its near-duplicates. Accuracy, temperature and operating points are
functions of them, as for every version.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.messages.model_card import Card
from shared.runtimes import PHOTO
from worker.backbones import backbone_table
from worker.backbones.backbone_table import LoadedBackbone
from worker.backbones.photo_features import Features, PhotoFeatures
from worker.classify import outliers
from worker.classify.classify_batch import decode_batch
from worker.datasets.decode_files import read_file
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.operating_points import operating_points
from worker.graphs.served import Served
from worker.heads import out_of_fold
from worker.heads.fit_outlier_detector import fit_outlier_detector
from worker.heads.near_duplicates import Folds, fold_count, folds
from worker.heads.out_of_fold import FittedLooks, OutOfFold, combined_looks, fit_out_of_fold
from worker.runtimes import heads, load_runtime
from worker.runtimes.load_runtime import ServedVersion
from worker.runtimes.runtime import probabilities
from worker.train import photo_folder
from worker.train.assessment import Answered, assess_answers
from worker.train.learner import BuiltVersion, Learner, Task, blank_card
from worker.train.photo_folder import PhotoFolder, digest_numbers

#: The part of the training after the folds.
FITTING_ALL = "fitting to all photos"
#: Photos by which the speed is measured, and how often: the fastest counts, as other work slows
#: some rounds down.
TIMED_PHOTOS, TIMED_ROUNDS = 16, 3


def load(task: Task) -> HeadOfPhotos:
    """The learner for the photos of a task. Raises SetupError."""
    backbones = _backbones(task)
    folder = photo_folder.load(
        task.data,
        backbones,
        task.store,
        task.work.max_unreadable,
        task.observer.steps,
        to_train=True,
        on_part=task.observer.part,
    )
    return HeadOfPhotos(task, folder, backbones)


def _backbones(task: Task) -> list[LoadedBackbone]:
    work, recipe = task.work, task.recipe
    names = [work.backbone or recipe.backbone]
    if recipe.second_backbone and work.serve != "fast" and not work.backbone:
        names.append(recipe.second_backbone)
    return [backbone_table.load(name, task.store) for name in names]


class HeadOfPhotos(Learner[FittedLooks]):
    """Fits a head for each look, and the rule of the second, to the files that are served."""

    def __init__(
        self, task: Task, folder: PhotoFolder, backbones: Sequence[LoadedBackbone]
    ) -> None:
        super().__init__(task, folder.report, len(folder.learn.labels))
        self.folder, self._backbones = folder, backbones

    def places(self) -> Mapping[str, bytes]:
        photos = self.folder.learn
        digests = (bytes(digest).hex() for digest in photos.digests)
        return {**self.folder.set_aside, **dict(zip(digests, photos.paths, strict=True))}

    def fit(self) -> FittedLooks:
        data, observer, looks = self.folder, self.task.observer, self.folder.learn.looks
        parts, labels = _folds(data), data.learn.labels

        def fit(number: int, features: Features) -> OutOfFold:
            return fit_out_of_fold(
                features, labels, len(data.labels), parts, data.groups,
                mirrored=None if number else data.learn.mirrored,
                weighted=self.task.work.weighted,
                on_fold=lambda done, of: observer.steps(number * of + done, len(looks) * of),
                on_last=lambda: observer.part(FITTING_ALL),
            )  # fmt: skip

        return combined_looks([fit(*each) for each in enumerate(looks)], labels, data.groups)

    def export(self, fitted: FittedLooks) -> Served:
        work, rows = self.task.work, [backbone.row for backbone in self._used(fitted)]
        of_heads = sum(head.weights.size + head.bias.size for head in fitted.heads)
        card = blank_card(
            work.name,
            self.task.recipe.name,
            self.folder.labels,
            self.folder.preprocessing,
            self.folder.name,
            seed=work.seed,
            output="logits",
            precision="fp32" if rows[0].imported else "int8",
            features=rows[0].features,
            call_images=1,
            parameters=sum(row.parameters for row in rows) + of_heads,
            looks=tuple(row.look for row in rows),
            imported=rows[0].imported,
            second_pass_margin=fitted.answers.margin,
            second_pass_share=fitted.answers.share,
            temperature=fitted.temperature,
        )
        files = {PHOTO.artifact: heads.encode(fitted.heads)}
        for backbone in self._used(fitted):
            files |= backbone.files
        return Served(card, files, fitted.answers.logits)

    def measure(self, fitted: FittedLooks, served: Served) -> BuiltVersion:
        data, learn = self.folder, self.folder.learn
        count = len(learn.labels)
        predictions = probabilities(served.logits, fitted.temperature)
        card = msgspec.structs.replace(
            served.card,
            heldout_error=fitted.error,
            folds=fold_count(count),
            operating_points=operating_points(predictions, learn.labels),
            dataset_fingerprint=_fingerprint(learn),
            notes=f"{_described(self._used(fitted))}, fitted to {count} images"
            f"{' (the first look also to their mirror images)' if fitted.mirrored else ''}. The "
            f"held-out figures are out of {fold_count(count)} folds.",
        )
        answered = Answered(predictions, learn.labels, DecodedPhotos(learn, card))
        assessed = assess_answers(card, [], answered, _tested(data.test, fitted, card))
        answers = HeldoutAnswers(learn.contents, learn.labels, served.logits, learn.digests)
        widths = self._backbones[0].row.part_widths
        detector = fit_outlier_detector(learn.features, widths, _folds(data)).detector
        loaded = load_runtime.fetch(card, served.files.__getitem__)
        speed = images_per_s(loaded, _timed_files(learn.paths))
        records = {
            outliers.FILE: outliers.encode(detector),
            heldout_answers.FILE: heldout_answers.encode(answers),
            **heldout_answers.seen_files(learn.contents, np.empty(0, np.uint64)),
        }
        return BuiltVersion(
            msgspec.structs.replace(card, metrics=assessed.metrics, images_per_s=speed),
            served.files | records | assessed.files,
        )

    def _used(self, fitted: FittedLooks) -> Sequence[LoadedBackbone]:
        return self._backbones[: len(fitted.heads)]


def _timed_files(paths: Sequence[bytes]) -> list[bytes]:
    """Files for which the speed is measured; those that are gone meanwhile are left out."""
    files = []
    for path in paths[:: max(1, len(paths) // TIMED_PHOTOS)][:TIMED_PHOTOS]:
        with suppress(ImageError):
            files.append(read_file(path))
    return files


def images_per_s(version: ServedVersion, files: Sequence[bytes]) -> float:
    """How fast one core decodes and classifies these image files; 0 without any.

    Raises SetupError: the version cannot be loaded.
    """
    model, seconds = version.load(), []
    for _ in range(TIMED_ROUNDS):
        start = time.thread_time()
        model.predict(decode_batch(version.card.preprocessing, files).images)
        seconds.append(time.thread_time() - start)
    return len(files) / max(min(seconds), 1e-9)


def _described(backbones: Sequence[LoadedBackbone]) -> str:
    first, *second = (backbone.row.name for backbone in backbones)
    if second:
        return f"Linear heads on {first} and, for a second look, {second[0]}"
    return f"A linear head on {first}"


def _folds(folder: PhotoFolder) -> Folds:
    labels = folder.learn.labels
    return folds(folder.groups, digest_numbers(folder.learn), labels, fold_count(len(labels)))


def _fingerprint(photos: PhotoFeatures) -> str:
    """sha256 over the files' hashes and labels, ordered by hash."""
    rows = sorted(zip(map(bytes, photos.digests), photos.labels.tolist(), strict=True))
    return hashlib.sha256(b"".join(digest + b"%d\n" % label for digest, label in rows)).hexdigest()


def _tested(test: PhotoFeatures | None, fitted: FittedLooks, card: Card) -> Answered | None:
    """The answers to the photos in test/, as they are served."""
    if test is None:
        return None
    logits = out_of_fold.served_looks(fitted, test.looks)
    answers = probabilities(logits, card.temperature)
    return Answered(answers, test.labels, DecodedPhotos(test, card))


class DecodedPhotos:
    """The photos as images, each decoded when a plot needs it."""

    def __init__(self, photos: PhotoFeatures, card: Card) -> None:
        self._paths, self._spec = photos.paths, card.preprocessing

    def __getitem__(self, number: int, /) -> npt.NDArray[np.uint8]:
        try:
            return decode(read_file(self._paths[number]), self._spec)
        except ImageError:  # deleted or changed meanwhile
            spec = self._spec
            return np.zeros((spec.height, spec.width, spec.channels), np.uint8)
