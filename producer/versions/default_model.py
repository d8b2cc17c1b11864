"""The model of commands that are given none: HANGTAG_MODEL, else what `hangtag models use` chose,
else the one that ships with Hangtag."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from producer.job.job_index import index_dir
from producer.versions.catalog import Catalog
from shared import atomic_file
from shared.errors import UsageError
from shared.failpoints import failpoint
from shared.messages.model_name import DEFAULT_NAME, PRODUCTION, parse
from shared.settings import Settings

OVERRIDE = "HANGTAG_MODEL"
_REMEDY = f"make it writable, or set {OVERRIDE}"
#: More bytes than any name of a model has.
_MAX_BYTES = 1024


class ChosenModel(NamedTuple):
    """The model that commands take, and what names it."""

    model: str  #: NAME[@VERSION|@ALIAS]
    source: str  #: HANGTAG_MODEL, a file, or empty for Hangtag's own


def default_model(settings: Settings) -> str:
    """The chosen model; empty if none was chosen.

    Raises:
        UsageError: the chosen name is invalid.
    """
    chosen = choice(settings)
    return chosen.model if chosen.source else ""


def choice(settings: Settings) -> ChosenModel:
    """The model that commands take. Raises UsageError if its name is invalid."""
    return next(choices(settings), ChosenModel(DEFAULT_NAME, ""))


def choices(settings: Settings) -> Iterator[ChosenModel]:
    """That choice, then the stored one that HANGTAG_MODEL overrides. Raises UsageError, too."""
    if settings.model:
        yield _checked(settings.model, OVERRIDE)
    if text := _stored():
        yield _checked(text, str(_file()))


def use(settings: Settings, model: str) -> str:
    """Choose a model for all later commands of this user; returns the earlier one.

    Raises:
        UsageError: the name is invalid.
        SetupError: there is no such model, version or alias; or the choice cannot be stored.
    """
    wanted = parse(model)
    Catalog(settings).version(wanted)
    before, file = _stored() or DEFAULT_NAME, _file()
    with atomic_file.writing(file, _REMEDY):
        if str(wanted) == f"{DEFAULT_NAME}@{PRODUCTION}":
            file.unlink(missing_ok=True)
            failpoint("default-model.removed")
        else:
            atomic_file.make_folder(file.parent)
            draft = file.with_name(f".{file.name}.{os.getpid()}")
            with atomic_file.created(draft) as out:
                out.write(model.encode())
            atomic_file.rename_durably(draft, file)
            failpoint("default-model.stored")
    return before


def _file() -> Path:
    return index_dir().parent / "model"


def _stored() -> str:
    try:
        with _file().open("rb") as file:
            return file.read(_MAX_BYTES).decode("ascii", errors="replace").strip()
    except OSError:
        return ""


def _checked(model: str, source: str) -> ChosenModel:
    try:
        parse(model)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from None
    return ChosenModel(model, source)
