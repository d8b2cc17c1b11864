"""Trains a whole network on photos, without one fold: a trial that may replace a head.

It is calibrated and measured on this fold alone, or on validation/ where the folder has it. The
out-of-fold answers of a head are to the same photos, so both can be compared photo by photo.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from shared.messages.model_card import Preprocessing, Pretrained
from shared.messages.training import command
from shared.recipes import Recipe
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples, Images, chunks
from worker.datasets.load import DataSet
from worker.datasets.split import HELDOUT
from worker.evaluation import heldout_answers
from worker.export.export import Served
from worker.inference import outlier_detector
from worker.learners.learner import BuiltVersion, Task
from worker.learners.network import Fitted, Network, Parts
from worker.learners.photos import PhotoLearner, load_folder
from worker.learners.pixels import pixels
from worker.learners.stored_views import VIEWS, Values, stored_views
from worker.learners.time_limit import pace, within
from worker.learners.trial_networks import trial_network
from worker.photo_head.fit_outlier_detector import fit_on_held_out
from worker.photo_head.folds import folds, separated
from worker.photo_head.out_of_fold import standard_error
from worker.runtimes import load_runtime
from worker.runtimes.classifier import Classifier
from worker.training.photo_folder import PhotoFolder, digest_numbers
from worker.training.schedule import plan

#: The fold that is held out: the same one in every training, so versions are compared on it.
HELD_FOLD = 0
#: Images that the detector is fitted to: more change nothing.
DETECTOR_IMAGES = 2000
#: Held-out images from which its threshold is fitted. By those of 6 images a third of others like
#: them was flagged, by those of 20 a tenth.
DETECTOR_HELD_OUT = 40
#: The part of the loading in which the frozen blocks are run.
VIEWING = "running the blocks that do not learn"
NO_DETECTOR = f" No image is flagged unlike_training: fewer than {DETECTOR_HELD_OUT} are held out."


class Prepared(NamedTuple):
    """The network's learner with the decoded photos, and what they were chosen from."""

    network: Network
    parts: Parts
    recipe: Recipe  #: with the epochs that fit into the time
    held: npt.NDArray[np.bool_]  #: [n] of the folder's photos
    widths: list[int]  #: of the parts of the features


def load(task: Task) -> NetworkOfPhotos:
    """The learner for the photos of a task. Raises SetupError."""
    return NetworkOfPhotos(task, load_folder(task, remembered=False))


class NetworkOfPhotos(PhotoLearner[Prepared, Fitted]):
    """Holds one fold out, and trains a network on the others, in the time of the request."""

    def data(self) -> Prepared:
        """Decode the photos. Files beside the state let a later attempt resume.

        Raises:
            SetupError: the photos do not suffice, or have changed; the weights of the backbone are
                missing; not one epoch fits into the time.
        """
        task, folder, work = self.task, self.folder, self.task.work
        held = held_out(folder)
        chosen = learned(folder, held)
        learn, classes = folder.learn.where(chosen), len(folder.labels)
        trial = trial_network(
            task.recipe, learn, folder.groups[chosen], classes, weighted=work.weighted
        )
        recipe = within(
            task.recipe,
            len(learn.labels),
            int(held.sum()),
            60 * work.minutes,
            task.folder,
            lambda: pace(task.recipe, learn, classes, trial, work.seed, task.folder),
            command(work, but=["minutes"]),
            corrected=bool(task.corrections),
        )
        data = _data(folder, learn, held, recipe, task.folder, task.observer.loading)
        assert data.heldout is not None
        parts = Parts(data.examples, data.heldout)
        stored = trial.values and self._stored(trial.values, parts, recipe)
        network = Network(task._replace(recipe=recipe), data, builder=trial.builder, stored=stored)
        return Prepared(network, parts, recipe, held, trial.widths)

    def _stored(self, values: Values, parts: Parts, recipe: Recipe) -> Parts:
        """What the learned part reads for the photos: for views to learn from, and as they are."""
        task = self.task

        def rows(photos: Examples, views: int) -> Images:
            return stored_views(
                values, photos.images, views, recipe, task.work.seed, task.folder,
                photos.fingerprint().encode(),
                lambda done, total: task.observer.part(VIEWING, done, total),
            )  # fmt: skip

        learn, held = parts
        views = min(VIEWS, plan(recipe, len(learn.labels)).epochs)
        return Parts(
            Examples(rows(learn, views), learn.labels),
            Examples(rows(held, 0)[:, 0], held.labels),
        )

    def fit(self, data: Prepared) -> Fitted:
        return data.network.fit(data.parts)

    def export(self, data: Prepared, fitted: Fitted) -> Served:
        return data.network.export(data.parts, fitted)

    def measure(self, data: Prepared, fitted: Fitted, served: Served) -> BuiltVersion:
        made = data.network.measure(data.parts, fitted, served)
        return _completed(made, self.folder, data, fitted.finished.note)


def held_out(folder: PhotoFolder) -> npt.NDArray[np.bool_]:
    """Bool [n] of `folder.learn`: the photos that a trial does not learn from.

    Raises:
        SetupError: there are none.
    """
    held: npt.NDArray[np.bool_]
    if _is_given(folder):
        held = folder.learn.parts == HELDOUT
    else:
        numbers = digest_numbers(folder.learn)
        held = folds(folder.groups, numbers, folder.learn.labels) == HELD_FOLD
    if not held.any():
        raise SetupError(
            f"none of the {len(held)} photos of {folder.name} is held out; add photos, or use "
            "--recipe photo-head"
        )
    return held


def learned(folder: PhotoFolder, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Bool [n] of `folder.learn`: the photos that are neither held out nor like one of those.

    Raises:
        SetupError: validation/ leaves none of a class.
    """
    labels = folder.learn.labels
    groups = separated(folder.groups, digest_numbers(folder.learn), labels)
    learn: npt.NDArray[np.bool_] = ~np.isin(groups, groups[held])
    missing = set(range(len(folder.labels))) - set(labels[learn].tolist())
    if missing and _is_given(folder):
        raise SetupError(
            f"train/ has no photos of {folder.labels[min(missing)]} but near-duplicates of those "
            "in validation/; add photos of other scenes to train/, or use --recipe photo-head"
        )
    return learn


def _is_given(folder: PhotoFolder) -> bool:
    """Whether the folder itself has a part that is held out."""
    return bool((folder.learn.parts == HELDOUT).any())


def _data(
    folder: PhotoFolder,
    learn: PhotoFeatures,
    held: npt.NDArray[np.bool_],
    recipe: Recipe,
    scratch: Path,
    on_progress: Callable[[int, int], None],
) -> DataSet:
    assert recipe.size is not None
    spec = Preprocessing(*recipe.size)

    def examples(photos: PhotoFeatures) -> Examples:
        return Examples(pixels(photos, spec, scratch, on_progress), photos.labels)

    out = folder.learn.where(held)
    return DataSet(
        name=folder.name,
        labels=folder.labels,
        examples=examples(learn),
        test=None if folder.test is None else examples(folder.test),
        preprocessing=spec,
        heldout=examples(out),
        heldout_files=out.digests,
    )


def _completed(made: BuiltVersion, folder: PhotoFolder, data: Prepared, note: str) -> BuiltVersion:
    """With its origin, the error of its accuracy, and the detector if enough is held out."""
    answers = heldout_answers.decode(made.files[heldout_answers.FILE], made.card)
    right = answers.logits.argmax(1) == answers.labels
    where = "validation/" if _is_given(folder) else "one of the folds"
    (learn, out), held = data.parts, data.held
    count, detects = len(learn.labels), len(right) >= DETECTOR_HELD_OUT
    card = msgspec.structs.replace(
        made.card,
        heldout_error=standard_error(right, folder.groups[held]),
        pretrained=_pretrained(data.recipe),
        notes=f"Trained on {count} photos; measured on the {int(held.sum())} of {where}, which it "
        f"did not learn from{_left_out(len(held) - int(held.sum()) - count)}."
        f"{note and ' '}{note}{'' if detects else NO_DETECTOR}",
    )
    if not detects:
        return BuiltVersion(card, made.files)
    served = load_runtime.load_default(card, made.files)
    few = learn.images[:: max(1, count // DETECTOR_IMAGES)]
    detector = fit_on_held_out(_features(served, few), _features(served, out.images), data.widths)
    return BuiltVersion(
        card, made.files | {outlier_detector.FILE: outlier_detector.encode(detector)}
    )


def _left_out(photos: int) -> str:
    return f", nor from {photos} near-duplicates of them" if photos else ""


def _features(served: Classifier, images: Images) -> npt.NDArray[np.float32]:
    parts = [served.outputs(part).features for part in chunks(images)]
    return np.concatenate([part for part in parts if part is not None])


def _pretrained(recipe: Recipe) -> Pretrained | None:
    """The backbone that a version contains."""
    if recipe.network != "fine":
        return None
    return backbone_table.find(recipe.backbone).pretrained
