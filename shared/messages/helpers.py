"""The exchanges with processes of the worker's package, over pipes (shared/messages/framing.py).

`worker.helpers.check_class_folders` checks a data set before it is queued.
`worker.helpers.mistakes` gets a card and its held-out answers, reports progress, and at the end
what the version took for another label. `worker.helpers.prediction_plot` makes a PNG file of images
with their predictions. `worker.helpers.thumbnails` gets orders, and makes small pictures.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal, TypeAlias

import msgspec

Purpose = Literal["train", "evaluate", "show"]


class FoldersQuestion(msgspec.Struct, frozen=True):
    """Whether the class folders of a folder on this machine can be used."""

    folder: str
    purpose: Purpose
    index: int = 0  #: of the image that is displayed alone
    corrections: bytes | None = None  #: the input of the request
    labelled_only: bool = False  #: as in Train


class FoldersVerdict(msgspec.Struct, frozen=True):
    """The reason why not, as a trainer reports it; empty if there is none."""

    error: str = ""
    usage: bool = False  #: the command line is at fault


class MistakesQuestion(msgspec.Struct, frozen=True):
    """What to search."""

    card: bytes
    answers: bytes  #: the version's file `heldout.npz`
    most: int  #: mistakes that are returned
    most_of_pair: int  #: of each pair of labels
    corrections: bytes | None = None  #: of tables (shared/labels/submitted_lines.py)


class Searched(msgspec.Struct, frozen=True, tag=True):
    """Progress: files of the data that were looked at."""

    done: int
    total: int


class Mistake(msgspec.Struct, frozen=True):
    """One held-out image that has another label than predicted."""

    truth: int
    labels: tuple[int, ...]  #: the most probable first
    confidences: tuple[float, ...]
    path: bytes = b""  #: of its file, if it was found here
    name: str = ""  #: of an image without a file
    image: bytes = b""  #: of an image without a file, encoded


class FoundMistakes(msgspec.Struct, frozen=True, tag=True):
    """The end: figures of all held-out images, and a choice of the mistakes."""

    count: int
    confusion: tuple[tuple[int, ...], ...]  #: [true][predicted]
    mistakes: tuple[Mistake, ...]
    note: str = ""  #: why some mistakes have no picture


MistakesReply: TypeAlias = Searched | FoundMistakes


class Drawn(msgspec.Struct, frozen=True):
    """One image, and its prediction if it has a label."""

    title: str
    picture: bytes  #: WebP; empty where there is none
    why: str  #: there is no picture
    caption: str = ""
    probabilities: tuple[float, ...] = ()  #: of each label
    truth: int | None = None  #: the true label, if it is known


class PlotOrder(msgspec.Struct, frozen=True):
    """What to draw."""

    labels: tuple[str, ...]
    images: tuple[Drawn, ...]


class Thumbnail(msgspec.Struct, frozen=True):
    """A small picture, encoded again; nothing of the original file's bytes is in it."""

    webp: bytes = b""  #: empty: the image could not be decoded
    width: int = 0
    height: int = 0
    why: str = ""  #: the reason why there is no picture, one sentence

    def __post_init__(self) -> None:
        # It comes from a process that has read hostile bytes.
        if self.webp and not (self.webp[:4] == b"RIFF" and self.webp[8:12] == b"WEBP"):
            raise ValueError("not a thumbnail: no WebP file")
        if not (0 <= self.width <= 1 << 14 and 0 <= self.height <= 1 << 14):
            raise ValueError("not a thumbnail: its size is out of range")

    @property
    def source(self) -> str:
        """That of an element `img`; empty: there is no picture."""
        return f"data:image/webp;base64,{b64encode(self.webp).decode()}" if self.webp else ""


class ThumbnailOrder(msgspec.Struct, frozen=True):
    """One image to make smaller."""

    data: bytes
    side_pixels: int  #: at most, the longer side of its picture
    max_bytes: int  #: of the encoded picture
