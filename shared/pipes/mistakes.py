"""The exchange with `python -m worker.mistakes`: a card and its held-out answers in; out comes
progress, and at the end what the version took for another label (shared/pipes/framing.py)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Question(msgspec.Struct, frozen=True):
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


class Found(msgspec.Struct, frozen=True, tag=True):
    """The end: figures of all held-out images, and a choice of the mistakes."""

    count: int
    confusion: tuple[tuple[int, ...], ...]  #: [true][predicted]
    mistakes: tuple[Mistake, ...]
    note: str = ""  #: why some mistakes have no picture


Reply: TypeAlias = Searched | Found
