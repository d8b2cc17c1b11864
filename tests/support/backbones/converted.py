"""Converted backbones, made by the product once for each state of the sources.

A store that has them converts nothing, as at its second training.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from pathlib import Path

from worker.backbones.backbone_table import Backbone
from worker.export.backbone_files import backbone_files
from worker.training.photo_folder import FOLDER

ROOT = Path(__file__).parents[3]
CACHE = ROOT / "build" / "backbones"
#: The sources that the files depend on.
SOURCES = (
    "constraints.txt",
    "worker/backbones/backbone_table.py",
    "worker/backbones/efficientnet_lite.py",
    "worker/backbones/torch_file.py",
    "worker/backbones/weights.py",
    "worker/export/backbone_files.py",
    "worker/export/convert.py",
)


def put(backbone: Backbone, store: Path) -> None:
    """Give the store the converted files of this backbone."""
    made = CACHE / _key(backbone)
    CACHE.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other processes of the same run make them, too
        backbone_files(backbone, made)
    shutil.copytree(made, store / FOLDER, dirs_exist_ok=True)


def _key(backbone: Backbone) -> str:
    """Stands for the sources and the backbone, wherever its weights are."""
    parts = [repr(backbone._replace(file="")).encode()]
    parts += [(ROOT / source).read_bytes() for source in SOURCES]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]
