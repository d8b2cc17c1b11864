"""Combines the networks that a model has for photos: the mean of their probabilities.

The newest version of each recipe takes part. Weights are chosen, and everything is measured, on the
photos that all of them have held out; the head that is part of the version has learned from these,
so its answers are those out of fold.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import ImageError, SetupError
from shared.messages.model_card import Card, Network
from shared.recipes import RECIPES
from shared.registry.registry import Registry
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import read_file
from worker.datasets.examples import Examples, Images
from worker.evaluation import heldout_answers, mixture, seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.metrics import SMALLEST_PROBABILITY
from worker.evaluation.mixture import Mixture
from worker.evaluation.operating_points import operating_points
from worker.evaluation.temperature import log_losses, temperature
from worker.export.export import KERAS, TFLITE, Served
from worker.export.several_networks import Part, downscaled, joined, mean_of_probabilities
from worker.inference import outlier_detector, serving_cost
from worker.learners.learner import BuiltVersion, Task
from worker.learners.photos import PhotoLearner, load_folder
from worker.learners.pixels import pixels
from worker.photo_head.out_of_fold import standard_error
from worker.runtimes import load_runtime
from worker.runtimes.classifier import probabilities
from worker.runtimes.runtime import Logits, Probabilities, image_shape
from worker.training.assessment import Answered, assess_answers
from worker.training.blank_card import blank_card

#: Held-out photos by which the speed is measured, and on which the runtimes are compared.
TIMED_PHOTOS, COMPARED_PHOTOS = 32, 4
#: A mean of fewer networks is none.
FEWEST = 2
#: What a part needs of its version.
PART_FILES = {
    KERAS, TFLITE, outlier_detector.FILE, seen_images.LEARNED, seen_images.HELD_OUT,
}  # fmt: skip


class Candidates(NamedTuple):
    """The networks, and the photos that all of them hold out."""

    parts: list[Part]  #: those for the largest images first
    held: npt.NDArray[np.bool_]  #: [n] of the folder's photos
    photos: PhotoFeatures  #: those held out
    logits: list[Logits]  #: of each network for these, before its temperature


class Chosen(NamedTuple):
    """The networks of the mean, and what it returns for the photos held out."""

    mixture: Mixture  #: of all candidates
    parts: list[Part]
    weights: list[float]
    examples: Examples  #: the photos held out, as the first network gets them
    logits: Logits


class _Recorded(NamedTuple):
    part: Part
    answers: HeldoutAnswers


def load(task: Task) -> SeveralNetworks:
    """The learner for the photos of a task. Raises SetupError."""
    return SeveralNetworks(task, load_folder(task, remembered=False))


class SeveralNetworks(PhotoLearner[Candidates, Chosen]):
    """Weighs networks that are trained already."""

    def data(self) -> Candidates:
        """Read the versions, and decode the photos that all of them hold out.

        Raises:
            SetupError: there are fewer than two versions that fit together, or photos were changed.
        """
        registry, learn = Registry(self.task.store), self.folder.learn
        recorded = _recorded(registry, self.task.work.name, self.folder.labels)
        held = _held_by_all(learn, recorded)
        out = learn.where(held)
        logits = [_answers_of(one.answers, out) for one in recorded]
        return Candidates([one.part for one in recorded], held, out, logits)

    def fit(self, data: Candidates) -> Chosen:
        labels = data.photos.labels
        chosen = mixture.choose(_probabilities(data.parts, data.logits), labels)
        members = np.flatnonzero(chosen.weights).tolist()
        parts = [data.parts[number] for number in members]
        images = self._decoded(data.photos, parts[0].card)
        logits = [
            _as_served(part, images, data.logits[number])
            for part, number in zip(parts, members, strict=True)
        ]
        answers = _probabilities(parts, logits)
        weights = mixture.weighted(answers, labels).weights
        mean = sum(
            weight * answer.astype(np.float64)
            for weight, answer in zip(weights, answers, strict=True)
        )
        together = np.log(mean + SMALLEST_PROBABILITY).astype(np.float32)
        return Chosen(chosen, parts, list(weights), Examples(images, labels), together)

    def export(self, data: Candidates, fitted: Chosen) -> Served:
        parts, weights = fitted.parts, fitted.weights
        first, labels = parts[0].card, fitted.examples.labels
        cooling = temperature(fitted.logits, labels)
        card = msgspec.structs.replace(
            blank_card(first.name, self.task.recipe, self.folder, self.task.work.seed),
            preprocessing=first.preprocessing,
            output="logits",
            temperature=cooling,
            precision=first.precision,
            precision_why="that of its parts",
            call_images=1,
            parameters=sum(part.card.parameters for part in parts),
            features=first.features,
            pretrained=next((part.card.pretrained for part in parts if part.card.pretrained), None),
            operating_points=operating_points(probabilities(fitted.logits, cooling), labels),
        )
        combination = mean_of_probabilities(
            len(card.labels), [part.card.temperature for part in parts], weights
        )
        files = joined(card, parts, combination, fitted.examples.images[:COMPARED_PHOTOS])
        return Served(card, files, fitted.logits)

    def measure(self, data: Candidates, fitted: Chosen, served: Served) -> BuiltVersion:
        folder, parts, out = self.folder, fitted.parts, data.photos
        card = _with_networks(data, fitted, served)
        predictions = probabilities(fitted.logits, card.temperature)
        heldout = Answered(predictions, out.labels, fitted.examples.images)
        right = predictions.argmax(1) == out.labels
        assessed = assess_answers(card, [], heldout, self._tested(card, served))
        card = msgspec.structs.replace(
            card,
            metrics=assessed.metrics,
            heldout_error=standard_error(right, folder.groups[data.held]),
            folds=max(part.card.folds for part in parts),
            dataset_fingerprint=parts[0].card.dataset_fingerprint,
            notes=f"The mean of {len(parts)} networks; weighed and measured on the {len(right)} "
            "photos that each of them holds out.",
        )
        answers = HeldoutAnswers(out.contents, out.labels, fitted.logits, out.digests)
        files = served.files | {heldout_answers.FILE: heldout_answers.encode(answers)}
        return BuiltVersion(card, files | _records(parts) | assessed.files)

    def _tested(self, card: Card, served: Served) -> Answered | None:
        test = self.folder.test
        if test is None:
            return None
        images = self._decoded(test, card)
        predictions = load_runtime.load_default(card, served.files).predict(images)
        return Answered(predictions, test.labels, images)

    def _decoded(self, photos: PhotoFeatures, card: Card) -> Images:
        return pixels(photos, card.preprocessing, self.task.folder, self.task.observer.loading)


def _recorded(registry: Registry, name: str, labels: tuple[str, ...]) -> list[_Recorded]:
    """The newest version of each kind of network with its answers; those for the largest images
    first, and of equal ones those that detect images unlike their photos.

    Raises:
        SetupError: there are fewer than two.
    """
    newest: dict[tuple[str, str], _Recorded] = {}
    for version in registry.versions(name):
        card = registry.card(name, version)
        recipe = RECIPES.get(card.recipe)
        if recipe is None or not recipe.backbone or recipe.learner == "several":
            continue
        answers = heldout_answers.read(registry, card)
        if card.labels != labels or answers is None or answers.files is None:
            continue
        files = {file: registry.read(card, file) for file in card.files if file in PART_FILES}
        newest[recipe.network, recipe.backbone] = _Recorded(Part(card, files), answers)
    found = sorted(newest.values(), key=lambda one: _rank(one.part.card))
    fitting = [one for one in found if _fits(one.part.card, found[0].part.card)]
    if len(fitting) < FEWEST:
        raise SetupError(
            f"{name} has {len(fitting)} network of photos with these labels, and a mean needs "
            f"{FEWEST}; train more with: hangtag train DIR --name {name} --recipe photo"
        )
    return fitting


def _rank(card: Card) -> tuple[int, bool, int]:
    height, width, _ = image_shape(card)
    return -height * width, outlier_detector.FILE not in card.files, card.version


def _fits(card: Card, first: Card) -> bool:
    """Whether the images of the first network, downscaled, are those of this one."""
    spec, largest = card.preprocessing, first.preprocessing
    same = msgspec.structs.replace(spec, height=largest.height, width=largest.width)
    return same == largest and spec.height * largest.width == spec.width * largest.height


def _held_by_all(learn: PhotoFeatures, recorded: list[_Recorded]) -> npt.NDArray[np.bool_]:
    """Bool [n] of the folder's photos.

    Raises:
        SetupError: there are none.
    """
    digests = list(map(bytes, learn.digests))
    held = np.full(len(digests), True)
    for one in recorded:
        assert one.answers.files is not None
        known = set(map(bytes, one.answers.files))
        held &= np.array([digest in known for digest in digests])
    if not held.any():
        raise SetupError(
            f"the versions of {recorded[0].part.card.name} hold out no photo of this folder in "
            "common; train them again on it with: hangtag train DIR --recipe photo"
        )
    return held


def _answers_of(answers: HeldoutAnswers, photos: PhotoFeatures) -> Logits:
    """The logits that a version has recorded for these photos."""
    assert answers.files is not None
    rows = {bytes(digest): row for row, digest in enumerate(answers.files)}
    return answers.logits[[rows[bytes(digest)] for digest in photos.digests]]


def _as_served(part: Part, images: Images, recorded: Logits) -> Logits:
    """The logits of a network for photos of the first one's size.

    A network with folds has learned from them, so its record counts.
    """
    size = image_shape(part.card)
    if part.card.folds or images.shape[1:] == size:
        return recorded
    return load_runtime.load_default(part.card, part.files).logits(downscaled(images, size))


def _probabilities(parts: list[Part], logits: list[Logits]) -> list[Probabilities]:
    return [
        probabilities(answers, part.card.temperature)
        for part, answers in zip(parts, logits, strict=True)
    ]


def _with_networks(data: Candidates, fitted: Chosen, served: Served) -> Card:
    """The card with what the version costs, and with the figures of each network."""
    photos, labels = _files(data.photos), data.photos.labels
    weights = {
        part.card.version: weight for part, weight in zip(fitted.parts, fitted.weights, strict=True)
    }
    whole = serving_cost.measured(served.card, served.files[TFLITE], photos)
    networks = tuple(
        Network(
            part.card.version,
            part.card.recipe,
            weights.get(part.card.version, 0.0),
            float((answer.argmax(1) == labels).mean()),
            float(log_losses(np.log(answer + SMALLEST_PROBABILITY), labels).mean()),
            serving_cost.measured(part.card, part.files[TFLITE], photos).images_per_s,
        )
        for part, answer in zip(data.parts, _probabilities(data.parts, data.logits), strict=True)
    )
    return msgspec.structs.replace(
        served.card,
        networks=networks,
        images_per_s=whole.images_per_s,
        memory_bytes=whole.memory_bytes,
    )


def _records(parts: list[Part]) -> dict[str, bytes]:
    """The detector of the first network, and the images that any for such images has seen."""
    first, shape = parts[0], image_shape(parts[0].card)
    files = {name: data for name, data in first.files.items() if name == outlier_detector.FILE}
    seen = [
        [
            np.frombuffer(part.files[name], "<u8")
            for name in (seen_images.LEARNED, seen_images.HELD_OUT)
        ]
        for part in parts
        if image_shape(part.card) == shape and seen_images.LEARNED in part.files
    ]
    if not seen:
        return files
    learned, held = (np.concatenate(hashes) for hashes in zip(*seen, strict=True))
    return files | seen_images.files_of(learned, held)


def _files(photos: PhotoFeatures) -> list[bytes]:
    """Some of the photos, spread over all of them."""
    step = max(1, len(photos.paths) // TIMED_PHOTOS)
    data = []
    for path in photos.paths[::step][:TIMED_PHOTOS]:
        try:
            data.append(read_file(path))
        except ImageError:  # deleted meanwhile
            continue
    return data
