"""The names of models on the command line: `NAME`, `NAME@VERSION` or `NAME@ALIAS`."""

from __future__ import annotations

import os
import re

import msgspec

from shared.errors import UsageError

DEFAULT_NAME = "fashion-mnist"
PRODUCTION = "production"  #: the alias of a name without one
MAX_VERSION = (1 << 31) - 1  #: the job record's field


class ModelName(msgspec.Struct, frozen=True):
    """A model and either a fixed version or an alias, which is resolved when a job starts."""

    name: str = DEFAULT_NAME
    version: int | None = None
    alias: str | None = PRODUCTION  #: None if a version is given

    def __str__(self) -> str:
        return f"{self.name}@{self.alias if self.version is None else self.version}"


def parse(text: str) -> ModelName:
    """The model that `text` names; only a text that is empty as a whole names the default.

    Raises:
        UsageError: the name is invalid.
    """
    name, at, which = (text or DEFAULT_NAME).partition("@")
    if not name:  # probably an unset variable of a script, not the default model
        raise UsageError(f"{text!r:.80} has no name before the @; give NAME@VERSION or NAME@ALIAS")
    if not at:
        which = PRODUCTION
    if not (NAME.fullmatch(name) and NAME.fullmatch(which)):
        raise UsageError(_invalid(text))
    if not is_number(which):
        return ModelName(name, None, which)
    if int(which) > MAX_VERSION:
        raise UsageError(_invalid(text))
    return ModelName(name, int(which), None)


def checked(name: str, *, option: str = "", what: str = "model") -> str:
    """A name without a version, as typed, for `option` if any. Raises UsageError."""
    if not NAME.fullmatch(name):
        given = f"{option} {name!r:.80}".lstrip()
        raise UsageError(f"{given} cannot be a {what}; use small letters and digits")
    return name


def of_folder(folder: str) -> str:
    """The model that a training of this folder makes: the folder's name, as far as a model can have
    it; empty if nothing of it is left, or if it is the name of the model that ships."""
    last = os.path.basename(os.path.abspath(folder)).lower()
    name = re.sub(r"[^a-z0-9]+", "-", last).strip("-")
    return name if NAME.fullmatch(name) and name != DEFAULT_NAME else ""


def is_number(text: str) -> bool:
    """Whether `text` is parsed as a version, which makes it invalid as an alias."""
    return text.isascii() and text.isdigit()


def _invalid(text: str) -> str:
    return (
        f"{text!r:.80} does not name a model; give NAME, NAME@VERSION or NAME@ALIAS in small "
        f"letters and digits, such as {DEFAULT_NAME}, {DEFAULT_NAME}@2 or "
        f"{DEFAULT_NAME}@{PRODUCTION}"
    )


#: Names of models and aliases. Anything else, for example a path, is refused before any use.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
