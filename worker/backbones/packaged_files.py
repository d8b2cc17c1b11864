"""The files of the backbones that ship: int8, made by benchmarks/packaged_backbones.py."""

from __future__ import annotations

import hashlib
from importlib import resources

from shared.errors import SetupError
from worker.backbones.backbone_table import Backbone

#: NAME.tflite for each row of the table.
PACKAGED = resources.files("shared.registry") / "packaged_backbones"


def read(backbone: Backbone) -> bytes:
    """The file of a backbone.

    Raises:
        SetupError: the installation is damaged.
    """
    try:
        data = (PACKAGED / backbone.file).read_bytes()
    except OSError as error:
        raise SetupError(_damaged(backbone)) from error
    if hashlib.sha256(data).hexdigest() != backbone.sha256:
        raise SetupError(_damaged(backbone))
    return data


def _damaged(backbone: Backbone) -> str:
    return f"the packaged {backbone.file} is missing or damaged; install Hangtag again"
