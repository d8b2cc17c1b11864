"""Fits a linear head to the features that a pretrained backbone has for photos.

It learns from all photos. Its held-out answers are out of fold: each photo is answered by a head
that did not learn from it or its near-duplicates. Accuracy, temperature and operating points are
functions of them, as for every version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial

import msgspec
import numpy as np
import numpy.typing as npt

from shared import atomic_file
from shared.errors import ImageError
from shared.messages.model_card import Card
from shared.registry import backbone_store
from shared.registry.registry import REMEDY
from shared.runtimes import PHOTO
from worker.backbones import backbone_table, packaged_files
from worker.backbones.backbone_table import Backbone
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import read_file
from worker.decoding.decode import decode
from worker.evaluation import heldout_answers, seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.operating_points import operating_points
from worker.export.served import Served
from worker.inference import outlier_detector
from worker.learners.learner import BuiltVersion, Learner, Task
from worker.photo_head import linear_head
from worker.photo_head.fit_outlier_detector import fit_outlier_detector
from worker.photo_head.folds import Folds, fold_count, folds
from worker.photo_head.out_of_fold import OutOfFold, fit_out_of_fold
from worker.runtimes import heads
from worker.runtimes.classifier import probabilities
from worker.runtimes.heads import Head
from worker.training import photo_folder
from worker.training.assessment import Answered, assess_answers
from worker.training.blank_card import blank_card
from worker.training.photo_folder import PhotoFolder, digest_numbers

#: The part of the training after the folds.
FITTING_ALL = "fitting to all photos"


def load(task: Task) -> HeadOfPhotos:
    """The learner for the photos of a task. Raises SetupError."""
    folder = photo_folder.load(
        task.data,
        backbone_table.find(task.recipe.backbone),
        task.store,
        task.work.max_unreadable,
        task.observer.loading,
        remembered=True,
        on_part=task.observer.part,
    )
    return HeadOfPhotos(task, folder)


class HeadOfPhotos(Learner[PhotoFolder, OutOfFold]):
    """Fits a head to the features of the file that is served."""

    def __init__(self, task: Task, folder: PhotoFolder) -> None:
        super().__init__(task, folder.report, len(folder.learn.labels))
        self.folder = folder

    @property
    def _backbone(self) -> Backbone:
        return backbone_table.find(self.task.recipe.backbone)

    def places(self) -> Mapping[str, bytes]:
        photos = self.folder.learn
        digests = (bytes(digest).hex() for digest in photos.digests)
        return dict(zip(digests, photos.paths, strict=True))

    def data(self) -> PhotoFolder:
        return self.folder

    def fit(self, data: PhotoFolder) -> OutOfFold:
        observer, learn = self.task.observer, data.learn
        return fit_out_of_fold(
            learn.features, learn.labels, len(data.labels), _folds(data), data.groups,
            mirrored=learn.mirrored,
            fit=partial(linear_head.fit, weighted=self.task.work.weighted),
            on_fold=observer.fold, on_last=lambda: observer.part(FITTING_ALL),
        )  # fmt: skip

    def export(self, data: PhotoFolder, fitted: OutOfFold) -> Served:
        work, backbone, head = self.task.work, self._backbone, fitted.head
        with atomic_file.writing(self.task.store / backbone_store.FOLDER, REMEDY):
            backbone_store.put(self.task.store, packaged_files.read(backbone))
        card = msgspec.structs.replace(
            blank_card(work.name, self.task.recipe, data, work.seed),
            output="logits",
            precision="int8",
            features=backbone.features,
            call_images=1,
            parameters=backbone.parameters + head.weights.size + head.bias.size,
            looks=(backbone.look,),
        )
        return Served(card, {PHOTO.artifact: heads.encode([head])}, fitted.logits)

    def measure(self, data: PhotoFolder, fitted: OutOfFold, served: Served) -> BuiltVersion:
        learn, count = data.learn, len(data.learn.labels)
        predictions = probabilities(fitted.logits, fitted.temperature)
        card = msgspec.structs.replace(
            served.card,
            temperature=fitted.temperature,
            heldout_error=fitted.error,
            folds=fold_count(count),
            operating_points=operating_points(predictions, learn.labels),
            dataset_fingerprint=_fingerprint(learn),
            notes=f"A linear head on {self._backbone.name}, fitted to {count} images"
            f"{' and their mirror images' if fitted.mirrored else ''}. The "
            f"held-out figures are out of {fold_count(count)} folds.",
        )
        answered = Answered(predictions, learn.labels, DecodedPhotos(learn, card))
        assessed = assess_answers(card, [], answered, _tested(data.test, fitted.head, card))
        answers = HeldoutAnswers(learn.contents, learn.labels, fitted.logits, learn.digests)
        detector = fit_outlier_detector(learn.features, self._backbone.part_widths, _folds(data))
        records = {
            outlier_detector.FILE: outlier_detector.encode(detector.detector),
            heldout_answers.FILE: heldout_answers.encode(answers),
            **seen_images.files_of(learn.contents, np.empty(0, np.uint64)),
        }
        return BuiltVersion(
            msgspec.structs.replace(card, metrics=assessed.metrics),
            served.files | records | assessed.files,
        )


def _folds(folder: PhotoFolder) -> Folds:
    labels = folder.learn.labels
    return folds(folder.groups, digest_numbers(folder.learn), labels, fold_count(len(labels)))


def _fingerprint(photos: PhotoFeatures) -> str:
    """sha256 over the files' hashes and labels, ordered by hash."""
    rows = sorted(zip(map(bytes, photos.digests), photos.labels.tolist(), strict=True))
    return hashlib.sha256(b"".join(digest + b"%d\n" % label for digest, label in rows)).hexdigest()


def _tested(test: PhotoFeatures | None, head: Head, card: Card) -> Answered | None:
    """The answers to the photos in test/, as they are served."""
    if test is None:
        return None
    answers = probabilities(head.served_logits(test.features), card.temperature)
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
