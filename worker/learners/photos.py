"""What the learners of photos share: the folder, and the images that it holds out itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError, SetupError
from shared.messages.model_card import Card, Preprocessing
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets import load as datasets
from worker.datasets.decode_files import read_file
from worker.datasets.examples import Examples
from worker.datasets.split import HELDOUT, Parts
from worker.decoding.decode import decode
from worker.learners.learner import Data, Fitted, Learner, Task
from worker.training import photo_folder
from worker.training.photo_folder import PhotoFolder


class PhotoLearner(Learner[Data, Fitted]):
    """Learns from a folder of photos with the features of the recipe's backbone."""

    def __init__(self, task: Task, folder: PhotoFolder) -> None:
        super().__init__(task, folder.report, len(folder.learn.labels))
        self.folder = folder

    def places(self) -> Mapping[str, bytes]:
        photos = self.folder.learn
        digests = (bytes(digest).hex() for digest in photos.digests)
        return dict(zip(digests, photos.paths, strict=True))

    def heldout(self, spec: Preprocessing) -> Examples | None:
        """validation/, which an older version of this folder may have held out; no fold."""
        return held_out_by_folder(self.task, self.folder.learn.parts, spec)


def held_out_by_folder(task: Task, parts: Parts, spec: Preprocessing) -> Examples | None:
    """The images of validation/; None where `parts` [n], those of the photos, have no such part."""
    if HELDOUT not in parts:
        return None
    try:
        return datasets.load(
            task.data, None, spec, task.folder, max_unreadable=task.work.max_unreadable
        ).data.heldout
    except SetupError:
        return None


def load_folder(task: Task) -> PhotoFolder:
    """The photos of a task. Raises SetupError."""
    return photo_folder.load(
        task.data,
        backbone_table.find(task.recipe.backbone),
        task.store,
        task.work.max_unreadable,
        task.observer.loading,
        remembered=True,
        on_part=task.observer.part,
    )


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
