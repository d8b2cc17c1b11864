"""The folder of a learner of photos, and its images."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.errors import ImageError
from shared.messages.model_card import Card
from worker.backbones import backbone_table
from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.decode_files import read_file
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
