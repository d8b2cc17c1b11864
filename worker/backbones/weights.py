"""Finds the weights of a backbone in its package, and accepts them by their SHA-256."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path

from shared import installation
from shared.errors import SetupError
from worker.backbones import torch_file
from worker.backbones.backbone_table import Backbone
from worker.backbones.torch_file import NotTensors, Tensors


def load(backbone: Backbone) -> Tensors:
    """The weights by the names of their layers. Nothing of the package is imported.

    Raises:
        SetupError: the package is missing, or has another file.
    """
    return read(backbone, path(backbone))


def path(backbone: Backbone) -> Path:
    """The file of the weights.

    Raises:
        SetupError: the package is missing.
    """
    try:
        file = Path(str(metadata.distribution(backbone.package).locate_file(backbone.file)))
    except metadata.PackageNotFoundError:
        raise SetupError(installation.lacks([backbone.package], "train")) from None
    return file


def read(backbone: Backbone, file: Path) -> Tensors:
    """The weights in a file.

    Raises:
        SetupError: it is not the file that the table names.
    """
    fix = f"install it again with: {installation.command('train', [backbone.package])}"
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SetupError(f"{file} cannot be read ({error.strerror}); {fix}") from error
    if hashlib.sha256(data).hexdigest() != backbone.sha256:
        raise SetupError(f"{file} is not the file of {backbone.name} that Hangtag knows; {fix}")
    try:
        return torch_file.read(data)
    except NotTensors as error:
        raise SetupError(f"{file} is damaged ({error}); {fix}") from error
