"""Combines the networks that a model has for photos: the mean of their probabilities.

The newest version of each recipe takes part. Networks are chosen by the photos that all of them
hold out, and the version is measured on those that its networks do; heads have learned from all
photos, so their answers are those out of fold. A head for smaller images is fitted again.
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
from worker.datasets.examples import Images, Labels
from worker.evaluation import heldout_answers, mixture, seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.metrics import SMALLEST_PROBABILITY
from worker.evaluation.mixture import FEWEST
from worker.evaluation.operating_points import operating_points
from worker.evaluation.temperature import log_losses, temperature
from worker.export.export import KERAS, TFLITE, Served
from worker.export.several_networks import Part, downscaled, joined, mean_of_probabilities
from worker.inference import outlier_detector, serving_cost
from worker.learners import resized_head
from worker.learners.learner import BuiltVersion, Task
from worker.learners.photos import DecodedPhotos, PhotoLearner, load_folder
from worker.learners.pixels import pixels
from worker.photo_head.out_of_fold import standard_error
from worker.runtimes import load_runtime
from worker.runtimes.classifier import probabilities
from worker.runtimes.runtime import Logits, Probabilities, image_shape
from worker.training.assessment import Answered, assess_answers
from worker.training.blank_card import blank_card

#: Held-out photos by which the speed is measured, and on which the runtimes are compared.
TIMED_PHOTOS, COMPARED_PHOTOS = 32, 4
#: What a part needs of its version.
PART_FILES = {
    KERAS, TFLITE, outlier_detector.FILE, seen_images.LEARNED, seen_images.HELD_OUT,
}  # fmt: skip

Held = npt.NDArray[np.bool_]  #: [n] of the folder's photos
Floats = npt.NDArray[np.float64]


class _Recorded(NamedTuple):
    part: Part
    answers: HeldoutAnswers


class Candidates(NamedTuple):
    """The networks, and the photos that all of them hold out."""

    networks: list[_Recorded]  #: those for the largest images first
    held: Held


class Chosen(NamedTuple):
    """The networks of the mean, and what it returns for the photos that these hold out."""

    parts: list[Part]
    weights: list[float]
    held: Held
    photos: PhotoFeatures  #: those held out
    logits: Logits


def load(task: Task) -> SeveralNetworks:
    """The learner for the photos of a task. Raises SetupError."""
    return SeveralNetworks(task, load_folder(task, remembered=False))


class SeveralNetworks(PhotoLearner[Candidates, Chosen]):
    """Weighs networks that are trained already."""

    def data(self) -> Candidates:
        """Read the versions.

        Raises:
            SetupError: there are fewer than two versions that fit together.
        """
        registry = Registry(self.task.store)
        networks = _recorded(registry, self.task.work.name, self.folder.labels)
        return Candidates(networks, _held_by_all(self.folder.learn, networks))

    def fit(self, data: Candidates) -> Chosen:
        """Choose by the photos that all hold out; those that heads alone hold out are more.

        Raises:
            SetupError: photos were changed.
        """
        learn, first = self.folder.learn, data.networks[0].part.card
        networks = [self._for_images_of(first, recorded) for recorded in data.networks]
        photos = learn.where(data.held & _held_by_all(learn, networks))
        answers = [
            probabilities(_answers_of(recorded.answers, photos), recorded.part.card.temperature)
            for recorded in networks
        ]
        chosen = mixture.choose(
            answers, photos.labels, _groups([recorded.part for recorded in networks])
        )
        members = [networks[number] for number in np.flatnonzero(chosen.weights)]
        parts = [recorded.part for recorded in members]
        held = _held_by_all(learn, members)
        photos = learn.where(held)
        answers = [self._as_served(recorded, photos, parts[0].card) for recorded in members]
        weights = mixture.weighted(answers, photos.labels, _groups(parts)).weights
        mean = sum(
            weight * answer.astype(np.float64)
            for weight, answer in zip(weights, answers, strict=True)
        )
        together = np.log(mean + SMALLEST_PROBABILITY).astype(np.float32)
        return Chosen(parts, list(weights), held, photos, together)

    def _for_images_of(self, first: Card, recorded: _Recorded) -> _Recorded:
        """A head that is fitted to images of this version's size; others as they are."""
        card, (size_pixels, _, _) = recorded.part.card, image_shape(first)
        if not card.folds or image_shape(card) == image_shape(first):
            return recorded
        return _Recorded(*resized_head.resized(self.task, card, size_pixels))

    def _as_served(self, recorded: _Recorded, photos: PhotoFeatures, first: Card) -> Probabilities:
        """What a network answers to the photos, which it gets in the size of the first one."""
        card, size = recorded.part.card, image_shape(recorded.part.card)
        if image_shape(first) == size:
            logits = _answers_of(recorded.answers, photos)
        else:
            images = downscaled(self._decoded(photos, first), size)
            logits = load_runtime.load_default(card, recorded.part.files).logits(images)
        return probabilities(logits, card.temperature)

    def export(self, data: Candidates, fitted: Chosen) -> Served:
        parts, weights = fitted.parts, fitted.weights
        first, labels = parts[0].card, fitted.photos.labels
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
        few = fitted.photos.where(np.arange(len(labels)) < COMPARED_PHOTOS)
        files = joined(card, parts, combination, self._decoded(few, card))
        return Served(card, files, fitted.logits)

    def measure(self, data: Candidates, fitted: Chosen, served: Served) -> BuiltVersion:
        parts, out = fitted.parts, fitted.photos
        predictions = probabilities(fitted.logits, served.card.temperature)
        card = _with_networks(data, fitted, served, predictions)
        heldout = Answered(predictions, out.labels, DecodedPhotos(out, card))
        right = predictions.argmax(1) == out.labels
        assessed = assess_answers(card, [], heldout, self._tested(card, served))
        card = msgspec.structs.replace(
            card,
            metrics=assessed.metrics,
            heldout_error=standard_error(right, self.folder.groups[fitted.held]),
            folds=max(part.card.folds for part in parts),
            dataset_fingerprint=parts[0].card.dataset_fingerprint,
            notes=f"The mean of {len(parts)} networks; measured on the {len(right)} photos that "
            "each of them holds out.",
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


def _groups(parts: list[Part]) -> list[list[int]]:
    """The heads in one group, each other network in its own.

    Heads differ little in their loss, and a fold cannot tell which of them is the better one.
    """
    heads = [number for number, part in enumerate(parts) if part.card.folds]
    others = [[number] for number, part in enumerate(parts) if not part.card.folds]
    return [heads, *others] if heads else others


def _rank(card: Card) -> tuple[int, bool, int]:
    height, width, _ = image_shape(card)
    return -height * width, outlier_detector.FILE not in card.files, card.version


def _fits(card: Card, first: Card) -> bool:
    """Whether the images of the first network, downscaled, are those of this one."""
    spec, largest = card.preprocessing, first.preprocessing
    same = msgspec.structs.replace(spec, height=largest.height, width=largest.width)
    return same == largest and spec.height * largest.width == spec.width * largest.height


def _held_by_all(learn: PhotoFeatures, recorded: list[_Recorded]) -> Held:
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


def _with_networks(
    data: Candidates, fitted: Chosen, served: Served, predictions: Probabilities
) -> Card:
    """The card with what the version costs, and with the figures of each network."""
    files = _files(fitted.photos)
    weights = {
        part.card.version: weight for part, weight in zip(fitted.parts, fitted.weights, strict=True)
    }
    whole = serving_cost.measured(served.card, served.files[TFLITE], files)
    networks = tuple(
        Network(
            card.version,
            card.recipe,
            weights.get(card.version, 0.0),
            *_figures(recorded, fitted.photos, predictions),
            serving_cost.measured(card, recorded.part.files[TFLITE], files).images_per_s,
        )
        for recorded in data.networks
        for card in [recorded.part.card]
    )
    return msgspec.structs.replace(
        served.card,
        networks=networks,
        images_per_s=whole.images_per_s,
        memory_bytes=whole.memory_bytes,
    )


def _figures(
    recorded: _Recorded, photos: PhotoFeatures, predictions: Probabilities
) -> tuple[float, float]:
    """The accuracy and the loss of a network beside the version's predictions for these photos.

    Where it holds out some of them only, the differences on those are added to the version's.
    """
    held = _held_by_all(photos, [recorded])
    some = photos.where(held)
    mine = probabilities(_answers_of(recorded.answers, some), recorded.part.card.temperature)
    right, losses = _judged(predictions, photos.labels)
    my_right, my_losses = _judged(mine, some.labels)
    accuracy = right.mean() + (my_right - right[held]).mean()
    loss = losses.mean() + (my_losses - losses[held]).mean()
    return float(np.clip(accuracy, 0, 1)), max(0.0, float(loss))


def _judged(answers: Probabilities, labels: Labels) -> tuple[Floats, Floats]:
    """Whether each answer is right, and its loss."""
    right = (answers.argmax(1) == labels).astype(np.float64)
    return right, log_losses(np.log(answers + SMALLEST_PROBABILITY), labels)


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
