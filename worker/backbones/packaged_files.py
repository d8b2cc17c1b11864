"""The files of the backbones that ship: int8, made by benchmarks/packaged_backbones.py."""

from __future__ import annotations

import hashlib

from shared.errors import SetupError
from shared.registry.backbone_store import PACKAGED
from worker.backbones.backbone_table import Backbone


def read(backbone: Backbone) -> bytes:
    """The file of a backbone.

    Raises:
        SetupError: the installation is damaged.
    """
    try:
        data = (PACKAGED / f"{backbone.name}.tflite").read_bytes()
    except OSError as error:
        raise SetupError(_damaged(backbone)) from error
    if hashlib.sha256(data).hexdigest() != backbone.sha256:
        raise SetupError(_damaged(backbone))
    return data


def _damaged(backbone: Backbone) -> str:
    return f"the packaged {backbone.name}.tflite is missing or damaged; install Hangtag again"
