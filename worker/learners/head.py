"""Fits a linear head to the features that a pretrained backbone has for photos.

It learns from all photos. Its held-out answers are out of fold: each photo is answered by a head
that did not learn from it or its near-duplicates. Accuracy, temperature and operating points are
functions of them, as for every version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from shared.errors import SetupError
from shared.messages.model_card import Card
from shared.messages.training import Train
from worker.backbones import backbone_table, pretrained
from worker.backbones.backbone_table import Backbone
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Images
from worker.evaluation import heldout_answers, seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.operating_points import operating_points
from worker.export import convert, precision
from worker.export.backbone_files import calibration_images
from worker.export.export import (
    COMPARING,
    KERAS,
    TFLITE,
    Served,
    check_agreement,
    predict_in_keras,
)
from worker.export.head_graph import keras_with_head, with_head
from worker.inference import outlier_detector
from worker.learners.learner import BuiltVersion, Task
from worker.learners.photos import DecodedPhotos, PhotoLearner, load_folder
from worker.photo_head import linear_head
from worker.photo_head.fit_outlier_detector import fit_outlier_detector
from worker.photo_head.folds import Folds, fold_count, folds
from worker.photo_head.out_of_fold import OutOfFold, fit_out_of_fold
from worker.runtimes import load_runtime
from worker.runtimes.classifier import Classifier, probabilities
from worker.runtimes.heads import Head
from worker.runtimes.runtime import Logits
from worker.training.assessment import Answered, assess_answers
from worker.training.blank_card import blank_card
from worker.training.photo_folder import PhotoFolder, digest_numbers

#: One image in a call is as fast as eight, and takes less memory.
CALL_IMAGES = 1
#: Images on which the files are compared; drawn, so that no photo is decoded for it.
COMPARED_IMAGES = 4
#: A share of the largest logit. The served graph sums 2,304 products in another order than NumPy:
#: 1e-6.
LOGITS_TOLERANCE = 1e-4

OnFold = Callable[[int, int], None]
#: The part of the training after the folds.
FITTING_ALL = "fitting to all photos"
BUILDING = "building the network"


class TriedPrecision(NamedTuple):
    """The head of one precision."""

    out_of_fold: OutOfFold
    test: Logits | None  #: of the photos in test/


class FittedHead(NamedTuple):
    """The head of the precision that is served, and the card with this choice."""

    head: TriedPrecision
    card: Card


def load(task: Task) -> HeadOfPhotos:
    """The learner for the photos of a task. Raises SetupError."""
    return HeadOfPhotos(task, load_folder(task))


class HeadOfPhotos(PhotoLearner[PhotoFolder, FittedHead]):
    """Fits a head, and chooses the precision."""

    @property
    def _backbone(self) -> Backbone:
        return backbone_table.find(self.task.recipe.backbone)

    def data(self) -> PhotoFolder:
        return self.folder

    def fit(self, data: PhotoFolder) -> FittedHead:
        work = self.task.work
        card = blank_card(work.name, self.task.recipe, data, work.seed)
        observer = self.task.observer
        return FittedHead(
            *_choose(work, data, card, observer.fold, lambda: observer.part(FITTING_ALL))
        )

    def export(self, data: PhotoFolder, fitted: FittedHead) -> Served:
        chosen, part = fitted.head.out_of_fold, self.task.observer.part
        files, card = export_head(self._backbone, data, chosen.head, fitted.card, part)
        return Served(card, files, chosen.logits)

    def measure(self, data: PhotoFolder, fitted: FittedHead, served: Served) -> BuiltVersion:
        chosen, learn = fitted.head.out_of_fold, data.learn
        detector = _detector(self._backbone, data, served.card)
        count = len(learn.labels)
        predictions = probabilities(chosen.logits, chosen.temperature)
        card = msgspec.structs.replace(
            served.card,
            temperature=chosen.temperature,
            heldout_error=chosen.error,
            folds=fold_count(count),
            operating_points=operating_points(predictions, learn.labels),
            dataset_fingerprint=_fingerprint(learn),
            notes=f"A linear head on {self._backbone.name}, fitted to {count} images"
            f"{' and their mirror images' if chosen.mirrored else ''}. The "
            f"held-out figures are out of {fold_count(count)} folds.",
        )
        answered = Answered(predictions, learn.labels, DecodedPhotos(learn, card))
        tested = _tested(data.test, fitted.head.test, card)
        assessed = assess_answers(card, [], answered, tested)
        answers = HeldoutAnswers(learn.contents, learn.labels, chosen.logits, learn.digests)
        records = {
            outlier_detector.FILE: detector,
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


def _detector(backbone: Backbone, folder: PhotoFolder, card: Card) -> bytes:
    """The detector of images unlike these, for features of the served precision."""
    features = folder.learn.int8 if card.precision == "int8" else folder.learn.fp32
    parts = _folds(folder)
    fitted = fit_outlier_detector(features, backbone.part_widths, parts)
    return outlier_detector.encode(fitted.detector)


def fit_precision(
    work: Train,
    folder: PhotoFolder,
    int8: bool,
    on_fold: OnFold = lambda done, total: None,
    on_last: Callable[[], None] = lambda: None,
) -> TriedPrecision:
    """The head for features of this precision."""
    features = folder.learn.int8 if int8 else folder.learn.fp32
    mirrored = folder.learn.mirrored and folder.learn.mirrored[int8]
    fitted = fit_out_of_fold(
        features, folder.learn.labels, len(folder.labels), _folds(folder), folder.groups,
        mirrored=mirrored, fit=partial(linear_head.fit, weighted=work.weighted),
        on_fold=on_fold, on_last=on_last,
    )  # fmt: skip
    if folder.test is None:
        return TriedPrecision(fitted, None)
    return TriedPrecision(
        fitted, fitted.head.logits(folder.test.int8 if int8 else folder.test.fp32)
    )


def _choose(
    work: Train,
    folder: PhotoFolder,
    card: Card,
    on_fold: OnFold = lambda done, total: None,
    on_last: Callable[[], None] = lambda: None,
) -> tuple[TriedPrecision, Card]:
    """The head of the precision that is served."""
    precisions = 1 if work.precision == "fp32" else 2

    def fit(int8: bool) -> TriedPrecision:
        return fit_precision(
            work,
            folder,
            int8,
            lambda done, total: on_fold(int8 * total + done, precisions * total),
            on_last,
        )

    exact = fit(int8=False)
    if work.precision == "fp32":
        card = msgspec.structs.replace(card, precision="fp32", precision_why=precision.REQUESTED)
        return exact, card
    small = fit(int8=True)
    trial = precision.compare(
        exact.out_of_fold.logits, small.out_of_fold.logits, folder.learn.labels
    )
    choice = precision.choose(work.precision, trial)
    card = msgspec.structs.replace(
        card, precision=choice.precision, precision_why=choice.why, precision_trial=trial
    )
    return (small if choice.precision == "int8" else exact), card


def export_head(
    backbone: Backbone,
    folder: PhotoFolder,
    head: Head,
    card: Card,
    on_part: Callable[[str], None] = lambda name: None,
) -> tuple[dict[str, bytes], Card]:
    """The files that runtimes load, which agree, and the card with their form."""
    on_part(BUILDING)
    network = keras_with_head(pretrained.build(backbone), head.weights, head.bias)
    card = msgspec.structs.replace(
        card,
        output="logits",
        features=backbone.features,
        call_images=CALL_IMAGES,
        parameters=network.count_params(),
        pretrained=backbone.pretrained,
    )
    exact = with_head(folder.files.fp32, head.weights, head.bias)
    served = exact
    if card.precision == "int8":
        served = with_head(folder.files.int8, head.weights, head.bias)
    files = {KERAS: convert.keras_file(network), TFLITE: served}
    on_part(COMPARING)
    images = calibration_images(backbone.size_pixels)[:COMPARED_IMAGES]
    check_agreement(
        load_runtime.load_default(card, {TFLITE: exact}).predict(images),
        predict_in_keras(card, files[KERAS], images),
    )
    _check_head(load_runtime.load_default(card, files), head, images)
    return files, card


def _check_head(served: Classifier, head: Head, images: Images) -> None:
    """Check that the graph applies this head to its features.

    Raises:
        SetupError: it does not.
    """
    outputs = served.outputs(images)
    assert outputs.features is not None
    expected = head.logits(outputs.features)
    difference = np.abs(outputs.logits - expected).max()
    if not difference <= LOGITS_TOLERANCE * np.abs(expected).max():
        raise SetupError(
            f"the exported graph does not apply its head (logits differ by {difference:.1e}); "
            "the version is refused"
        )


def _fingerprint(photos: PhotoFeatures) -> str:
    """sha256 over the files' hashes and labels, ordered by hash."""
    rows = sorted(zip(map(bytes, photos.digests), photos.labels.tolist(), strict=True))
    return hashlib.sha256(b"".join(digest + b"%d\n" % label for digest, label in rows)).hexdigest()


def _tested(test: PhotoFeatures | None, logits: Logits | None, card: Card) -> Answered | None:
    if test is None or logits is None:
        return None
    return Answered(probabilities(logits, card.temperature), test.labels, DecodedPhotos(test, card))
