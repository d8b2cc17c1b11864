"""The check of a data set before it is queued, by a process of the worker's package."""

from __future__ import annotations

from typing import Literal

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
