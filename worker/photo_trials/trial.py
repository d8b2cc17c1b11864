"""Builds a version from photos with a network that does not learn from one fold.

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
from shared.messages.training import Train, command
from shared.recipes import Recipe
from worker.backbones import table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.examples import Examples, Images, chunks
from worker.datasets.load import DataSet
from worker.datasets.split import HELDOUT
from worker.evaluation import heldout_answers
from worker.inference import outlier_detector
from worker.photo_head.fit_outlier_detector import fit_on_held_out
from worker.photo_head.folds import folds, separated
from worker.photo_head.out_of_fold import standard_error
from worker.photo_trials.network_forms import form_of
from worker.photo_trials.pixels import pixels
from worker.photo_trials.time_limit import seconds_per_image, within
from worker.runtimes import load_runtime
from worker.runtimes.classifier import Classifier
from worker.training.build_version import BuiltVersion, build_version
from worker.training.epoch import Epoch, Step
from worker.training.photo_folder import PhotoFolder, digest_numbers

#: The fold that is held out: the same one in every training, so versions are compared on it.
HELD_FOLD = 0
#: Images that the detector is fitted to: more change nothing.
DETECTOR_IMAGES = 2000
#: Held-out images from which its threshold is fitted. By those of 6 images a third of others like
#: them was flagged, by those of 20 a tenth.
DETECTOR_HELD_OUT = 40
NO_DETECTOR = f" No image is flagged unlike_training: fewer than {DETECTOR_HELD_OUT} are held out."

Progress = Callable[[int, int], None]


class Observer(NamedTuple):
    """Called during the training; each may raise to stop it."""

    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_step: Callable[[Step], None] = lambda step: None
    on_stage: Callable[[str], None] = lambda stage: None


UNOBSERVED = Observer()


def held_out(folder: PhotoFolder) -> npt.NDArray[np.bool_]:
    """Bool [n] of `folder.learn`: the photos that a trial does not learn from.

    Raises:
        SetupError: there are none.
    """
    found: npt.NDArray[np.bool_]
    if _is_given(folder):
        found = folder.learn.parts == HELDOUT
    else:
        numbers = digest_numbers(folder.learn)
        found = folds(folder.groups, numbers, folder.learn.labels) == HELD_FOLD
    if not found.any():
        raise SetupError(
            f"none of the {len(found)} photos of {folder.name} is held out; add photos, or use "
            "--recipe photo-head"
        )
    return found


def learned(folder: PhotoFolder, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Bool [n] of `folder.learn`: the photos that are neither held out nor like one of those.

    Raises:
        SetupError: validation/ leaves none of a class.
    """
    labels = folder.learn.labels
    groups = separated(folder.groups, digest_numbers(folder.learn), labels)
    found: npt.NDArray[np.bool_] = ~np.isin(groups, groups[held])
    missing = set(range(len(folder.labels))) - set(labels[found].tolist())
    if missing and _is_given(folder):
        raise SetupError(
            f"train/ has no photos of {folder.labels[min(missing)]} but near-duplicates of those "
            "in validation/; add photos of other scenes to train/, or use --recipe photo-head"
        )
    return found


def _is_given(folder: PhotoFolder) -> bool:
    """Whether the folder itself has a part that is held out."""
    return bool((folder.learn.parts == HELDOUT).any())


def build_trial(
    work: Train,
    recipe: Recipe,
    folder: PhotoFolder,
    scratch: Path,
    *,
    request: str = "",
    corrected: bool = False,
    observed: Callable[[Recipe, int], Observer] = lambda recipe, photos: UNOBSERVED,
    on_progress: Progress = lambda done, total: None,
) -> BuiltVersion:
    """Decode, train, export, calibrate and measure. Files in `scratch` let it resume.

    `request` is written to the card; `corrected` says whether labels were. `observed` gets the
    recipe with the epochs that fit into the time, and the number of photos to learn from.

    Raises:
        SetupError: the photos do not suffice, or have changed; the weights of the backbone are
            missing; not one epoch fits into the time; the exported files do not agree.
    """
    held = held_out(folder)
    learn = folder.learn.where(learned(folder, held))
    form, widths = form_of(recipe, learn, len(folder.labels))
    count = len(learn.labels)
    recipe = within(
        recipe,
        count,
        int(held.sum()),
        60 * work.minutes,
        scratch,
        lambda: seconds_per_image(recipe, learn, len(folder.labels), form, work.seed, scratch),
        command(work, but=["minutes"]),
        corrected=corrected,
    )
    data = _data(folder, learn, held, recipe, scratch, on_progress)
    observer = observed(recipe, count)
    made = build_version(
        work,
        recipe,
        data,
        state=scratch / "state.npz",
        request=request,
        form=form,
        on_epoch=observer.on_epoch,
        on_step=observer.on_step,
        on_stage=observer.on_stage,
    )
    return _completed(made, recipe, folder, held, data, widths)


def _data(
    folder: PhotoFolder,
    learn: PhotoFeatures,
    held: npt.NDArray[np.bool_],
    recipe: Recipe,
    scratch: Path,
    on_progress: Progress,
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


def _completed(
    made: BuiltVersion,
    recipe: Recipe,
    folder: PhotoFolder,
    held: npt.NDArray[np.bool_],
    data: DataSet,
    widths: list[int],
) -> BuiltVersion:
    """With its origin, the error of its accuracy, and the detector if enough is held out."""
    answers = heldout_answers.decode(made.files[heldout_answers.FILE], made.card)
    right = answers.logits.argmax(1) == answers.labels
    where = "validation/" if _is_given(folder) else "one of the folds"
    count, detects = len(data.examples.labels), len(right) >= DETECTOR_HELD_OUT
    card = msgspec.structs.replace(
        made.card,
        heldout_error=standard_error(right, folder.groups[held]),
        pretrained=_pretrained(recipe),
        notes=f"Trained on {count} photos; measured on the {int(held.sum())} of {where}, which it "
        f"did not learn from{_left_out(len(held) - int(held.sum()) - count)}."
        f"{'' if detects else NO_DETECTOR}",
    )
    if not detects:
        return BuiltVersion(card, made.files)
    served = load_runtime.load_default(card, made.files)
    assert data.heldout is not None
    few = data.examples.images[:: max(1, len(data.examples.labels) // DETECTOR_IMAGES)]
    detector = fit_on_held_out(
        _features(served, few), _features(served, data.heldout.images), widths
    )
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
    one = table.find(recipe.backbone)
    return Pretrained(one.name, one.sha256, one.package, one.licence, one.source)
