"""Where labelled data lie: a name that everybody knows, or a folder where the trainer runs."""

from __future__ import annotations

import os

from shared.errors import UsageError
from shared.request import FASHION_MNIST
from shared.settings import Settings


def data_place(typed: str, settings: Settings) -> str:
    """As a request has it: `fashion-mnist`, or an absolute path.

    The trainer has another current folder, and may have another disk.

    Raises:
        UsageError: the path is empty or no text, or this machine's stack would not find the folder.
    """
    if typed == FASHION_MNIST:
        return typed
    if not typed:  # a variable of a script that is not set, and not the current folder
        raise UsageError(f"--data is empty; name a folder, or {FASHION_MNIST}")
    path = os.path.abspath(typed)
    if not path.isprintable():
        raise UsageError("the path of --data has bytes that are no text; choose another")
    if not settings.redis_url and not os.path.isdir(path):
        raise UsageError(
            f"{path} is no folder; name one with a subfolder for each class, or {FASHION_MNIST}"
        )
    return path
