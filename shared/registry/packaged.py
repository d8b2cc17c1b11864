"""The version that ships with the package, so that a new installation works without training."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from shared import regular_file
from shared.errors import BadMessage, SetupError
from shared.messages.model_card import Card, decode_card

NAME = "fashion-mnist"
VERSION = 0
_FOLDER = Path(__file__).with_name("packaged_model")
#: NAME.tflite for each backbone that ships, as a version has it.
BACKBONES = Path(__file__).with_name("packaged_backbones")


@functools.cache
def card() -> Card:
    """The card of the packaged version.

    Raises:
        SetupError: the installation is damaged.
    """
    try:
        return decode_card(_bytes("card.json"))
    except BadMessage as error:
        raise SetupError(_damaged("card.json")) from error


def is_packaged(name: str, version: int) -> bool:
    """Whether a version is part of the package."""
    return (name, version) == (NAME, VERSION)


def card_sha256() -> str:
    """sha256 of the card's bytes, by which producer and worker verify that they use one version."""
    return hashlib.sha256(_bytes("card.json")).hexdigest()


def read(filename: str) -> bytes:
    """A file of the version, verified by the card's sha256.

    Raises:
        SetupError: there is no such file, or the installation is damaged.
    """
    sha256 = card().files.get(filename)
    if sha256 is None:
        raise SetupError(f"{card().ref} has no file {filename!r:.80}; choose another --runtime")
    return _verified(_FOLDER / filename, sha256)


def backbone(filename: str, sha256: str) -> bytes:
    """The file of a backbone that ships. Raises SetupError: the installation is damaged."""
    return _verified(BACKBONES / filename, sha256)


def _verified(path: Path, sha256: str) -> bytes:
    file = regular_file.verified(path, sha256)
    if file is None:
        raise SetupError(_damaged(path.name))
    with file:
        return file.read()


def sizes() -> dict[str, int]:
    """Bytes of each file of the version. Raises SetupError: the installation is damaged."""
    return {filename: len(read(filename)) for filename in card().files}


def _bytes(filename: str) -> bytes:
    try:
        return (_FOLDER / filename).read_bytes()
    except OSError as error:
        raise SetupError(_damaged(filename)) from error


def _damaged(filename: str) -> str:
    return f"the packaged {filename} is missing or damaged; install Hangtag again"
