"""Asks the trainer for the features of a folder; the same command follows an open request."""

from __future__ import annotations

from typing import NamedTuple

from producer.present.events import Events
from producer.requests.client import make_request
from producer.requests.existing import own_open_request
from producer.requests.submit import answer_file, data_place, submit
from shared.errors import UsageError
from shared.messages import folder_features
from shared.messages.folder_features import decode_features
from shared.messages.replies import DescribedFolder
from shared.messages.requests import ComputeFeatures
from shared.messages.training import FASHION_MNIST
from shared.settings import Settings
from shared.stop import Stop


class Computed(NamedTuple):
    """The answer, and the features as they came: a process of the worker's package reads them."""

    answer: DescribedFolder
    features: bytes


def place(settings: Settings, folder: str) -> str:
    """The place of a folder for the trainer.

    Raises:
        UsageError: it is not a folder of unsorted images.
        SetupError: this machine's stack may not read it.
    """
    if folder == FASHION_MNIST:
        raise UsageError("the images of Fashion-MNIST have labels; name a folder of others")
    if not folder:  # probably an unset variable of a script, not the current folder
        raise UsageError("the name of the folder is empty; name a folder of images")
    return data_place(folder, settings, wanted="name a folder of images")


def computed(
    settings: Settings,
    folder: str,
    backbone: str = "",
    events: Events | None = None,
    stop: Stop | None = None,
) -> Computed:
    """The features of the images of a folder; an empty `backbone` is one that ships.

    Raises:
        UsageError, SetupError: as `place`.
        SetupError, Stopped: it has no images; or as `submit`.
    """
    work = ComputeFeatures(place(settings, folder), backbone)
    request = make_request(work, own_open_request(settings, work))
    answer = submit(settings, request, events=events, stop=stop).decode(DescribedFolder)
    data = answer_file(settings, request.id, folder_features.FILE, stop)
    decode_features(data)  # raises now if another version wrote it
    return Computed(answer, data)
