"""Fits the head of a version again, on the same backbone for images of another size.

A graph of several networks gets images of one size. A head for smaller ones that are scaled down in
the graph was fitted to what the decoder makes of a photo, which differs most for small photos: on
photos of 100 pixels it lost 4.5 points. At the larger size it is more accurate than its own.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from shared.messages.model_card import Card
from shared.recipes import RECIPES
from worker.backbones import backbone_table
from worker.evaluation import seen_images
from worker.evaluation.heldout_answers import HeldoutAnswers
from worker.export.several_networks import Part
from worker.learners.head import FITTING_ALL, export_head, fit_precision
from worker.learners.learner import Task
from worker.training import photo_folder


class ResizedHead(NamedTuple):
    """A head, and its answers out of fold."""

    part: Part
    answers: HeldoutAnswers


def resized(task: Task, card: Card, size_pixels: int) -> ResizedHead:
    """The head of the version with this card for square images of this size, in its precision.

    Raises:
        SetupError: the folder has no photos to learn from, or the store cannot be written.
    """
    observer = task.observer
    backbone = backbone_table.find(RECIPES[card.recipe].backbone).at(size_pixels)
    folder = photo_folder.load(
        task.data,
        backbone,
        task.store,
        task.work.max_unreadable,
        observer.loading,
        on_part=observer.part,
    )
    fitted = fit_precision(
        task.work,
        folder,
        card.precision == "int8",
        observer.fold,
        lambda: observer.part(FITTING_ALL),
    ).out_of_fold
    spec = msgspec.structs.replace(card.preprocessing, height=size_pixels, width=size_pixels)
    card = msgspec.structs.replace(card, preprocessing=spec, temperature=fitted.temperature)
    files, card = export_head(backbone, folder, fitted.head, card, observer.part)
    learn = folder.learn
    seen = seen_images.files_of(learn.contents, np.empty(0, np.uint64))
    answers = HeldoutAnswers(learn.contents, learn.labels, fitted.logits, learn.digests)
    return ResizedHead(Part(card, files | seen), answers)
