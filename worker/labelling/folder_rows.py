"""The rows of numbers of a folder's images, and of its stacks: each is known by its first image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from shared.messages.replies import FolderFeatures
from worker.heads.linear_head import Features


class StackRows(NamedTuple):
    """The stacks [m] of a folder."""

    rows: Features  #: float32 [m, k]
    sizes: npt.NDArray[np.int64]  #: images of each


def image_rows(features: FolderFeatures) -> npt.NDArray[np.float16]:
    """[n, k], of all images."""
    return np.frombuffer(features.rows, "<f2").reshape(-1, features.width)


def stack_rows(features: FolderFeatures) -> StackRows:
    """Those of stacks."""
    stacks = np.frombuffer(features.stacks, "<u4").astype(np.int64)
    _, first, sizes = np.unique(stacks, return_index=True, return_counts=True)
    return StackRows(image_rows(features)[first].astype(np.float32), sizes)
