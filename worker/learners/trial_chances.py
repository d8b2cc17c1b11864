"""Which recipes have no chance to be better than a head, by its held-out answers.

A training that cannot win costs minutes, and the attention of the person who reads its result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from shared.errors import SetupError
from worker.backbones.backbone_table import Backbone
from worker.datasets.examples import DIGEST_BYTES, Digests
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.evaluation.temperature import log_loss, temperature
from worker.learners.photo_network import held_out
from worker.photo_head import discriminant
from worker.photo_head.folds import Folds, folds
from worker.photo_head.linear_head import Features, Labels
from worker.training.photo_folder import PhotoFolder, digest_numbers

LARGE, FINE, SCRATCH = "photo-head-large", "photo-fine", "photo-scratch"
#: Photos to learn from, of each class in the mean, from which a network of nothing but these gains
#: something; and from which it does where early blocks tell the classes apart.
FEWEST_FROM_SCRATCH, FEWEST_SIMPLE = 100, 20
#: Photos by which blocks are compared, and how discriminant analysis shrinks for it.
COMPARED_PHOTOS, SHRINKAGES = 2000, (0.5, 0.15)
#: The share of the blocks that are early: their features are colours, edges and textures.
EARLY = 2 / 3


def chanceless(
    backbone: Backbone,
    folder: PhotoFolder,
    answers: HeldoutAnswers,
    is_beatable: Callable[[HeldoutAnswers], bool],
) -> dict[str, str]:
    """The recipes that cannot be better than the head with these held-out answers, with the
    reasons. Heads are compared on all photos, whole networks on those of one fold."""
    learn = folder.learn
    assert answers.files is not None
    try:
        held = held_out(folder)
    except SetupError:
        return dict.fromkeys((FINE, SCRATCH), "a few groups of near-duplicates leave none held out")
    in_fold = np.isin(_names(answers.files), _names(learn.digests[held]))
    of_fold = HeldoutAnswers(
        answers.images[in_fold], answers.labels[in_fold], answers.logits[in_fold],
        answers.files[in_fold],
    )  # fmt: skip
    if not is_beatable(answers):
        return dict.fromkeys((LARGE, FINE, SCRATCH), _beyond(answers))
    if not is_beatable(of_fold):
        return dict.fromkeys((FINE, SCRATCH), _beyond(of_fold))
    parts = folds(folder.groups, digest_numbers(learn), learn.labels)
    simple = tells_early(backbone, learn.fp32, learn.labels, parts)
    reason = too_few_from_scratch(len(learn.labels), len(folder.labels), simple=simple)
    return {SCRATCH: reason} if reason else {}


def _beyond(answers: HeldoutAnswers) -> str:
    wrong = int(np.count_nonzero(answers.logits.argmax(1) != answers.labels))
    return (
        f"the head has {wrong or 'none'} of the {len(answers.labels):,} photos held out wrong, so "
        "nothing could be clearly better"
    )


def _names(digests: Digests) -> npt.NDArray[np.void]:
    """One value for each digest [n]."""
    names: npt.NDArray[np.void] = np.ascontiguousarray(digests).view(f"V{DIGEST_BYTES}")[:, 0]
    return names


def too_few_from_scratch(photos: int, classes: int, *, simple: bool) -> str:
    """Why no network from scratch follows; empty: there are enough photos to learn from. `simple`:
    as `tells_early`."""
    fewest = (FEWEST_SIMPLE if simple else FEWEST_FROM_SCRATCH) * classes
    if photos >= fewest:
        return ""
    return f"{photos:,} photos are too few to learn from alone, of {classes} classes like these"


def tells_early(backbone: Backbone, features: Features, labels: Labels, parts: Folds) -> bool:
    """Whether the early blocks of the backbone tell the classes of photos [n] apart at least as
    well as its last convolution: photos unlike those that it was trained on."""
    step = -(-len(labels) // COMPARED_PHOTOS)
    few, classes = slice(None, None, step), int(labels.max(initial=0)) + 1
    ends = np.cumsum(backbone.part_widths)
    early = slice(0, int(ends[int(EARLY * (len(ends) - 1)) - 1]))
    late = slice(int(ends[-2]), int(ends[-1]))
    losses = [
        min(_losses(features[few, part], labels[few], classes, parts[few]))
        for part in (early, late)
    ]
    return losses[0] <= losses[1]


def _losses(features: Features, labels: Labels, classes: int, parts: Folds) -> Iterator[float]:
    """The log loss out of fold, for each shrinkage."""
    logits = np.zeros((len(SHRINKAGES), len(labels), classes), np.float32)
    for fold in np.unique(parts):
        out = parts == fold
        heads = discriminant.fit(features[~out], labels[~out], classes, SHRINKAGES)
        logits[:, out] = [head.logits(features[out]) for head in heads]
    for of_shrinkage in logits:
        cooled = of_shrinkage / np.float32(temperature(of_shrinkage, labels))
        yield log_loss(cooled, labels)
