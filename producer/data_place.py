"""Where labelled data lie: a name that everybody knows, or a folder where the trainer runs."""

from __future__ import annotations

import os

from shared.errors import SetupError, UsageError
from shared.request import FASHION_MNIST
from shared.settings import Settings


def data_place(typed: str, settings: Settings) -> str:
    """As a request has it: `fashion-mnist`, or an absolute path.

    The trainer has another current folder, and may have another disk.

    Raises:
        UsageError: the path is empty or no text, or this machine's stack would not find the folder.
        SetupError: this machine's stack may not read the folder.
    """
    if typed == FASHION_MNIST:
        return typed
    if not typed:  # a variable of a script that is not set, and not the current folder
        raise UsageError(f"--data is empty; name a folder, or {FASHION_MNIST}")
    path = os.path.abspath(typed)
    if not path.isprintable():
        raise UsageError("the path of --data has bytes that are no text; choose another")
    if not settings.redis_url:
        _check_here(path)
    return path


def _check_here(path: str) -> None:
    """The stack's trainer runs as this user."""
    try:
        with os.scandir(path):
            return
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(
            f"{path} is no folder; name one with a subfolder for each class, or {FASHION_MNIST}"
        ) from None
    except OSError as error:
        raise SetupError(
            f"{path} cannot be read ({error.strerror}); "
            "give this user the right to read it, or name another folder"
        ) from error
