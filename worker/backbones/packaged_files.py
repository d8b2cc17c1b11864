"""The backbones that ship with the package: `packaged/NAME.tflite`, int8.

One uint8 image in, its features out, float32. benchmarks/packaged_backbones.py makes them.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib import resources

from shared.errors import SetupError

#: Name of a backbone -> SHA-256 of its file; no other file is accepted.
SHA256 = {
    "efficientnet-lite0": "ebc66d68d1f64009f4f786c8c8fb9896a276c00ce9fa680fa7edf2d2192429cd",
    "efficientnet-lite2": "8547da9fd4f4c2b7ad91563691fd431635d9163763f4d329cfc751b361053083",
}
_FOLDER = resources.files("worker.backbones") / "packaged"


def read(name: str) -> bytes:
    """The file of a packaged backbone.

    Raises:
        SetupError: the installation is damaged.
    """
    try:
        data = (_FOLDER / f"{name}.tflite").read_bytes()
    except OSError as error:
        raise SetupError(_damaged(name)) from error
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise SetupError(_damaged(name))
    return data


def find(sha256: str) -> bytes | None:
    """The packaged file with this SHA-256; None if there is none, or the installation is damaged:
    a store has it as well."""
    with suppress(SetupError):
        return next((read(name) for name, known in SHA256.items() if known == sha256), None)
    return None


def _damaged(name: str) -> str:
    return f"the packaged {name}.tflite is missing or damaged; install Hangtag again"
