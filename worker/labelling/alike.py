"""Which images of a folder are alike, without labels: groups of them, and those most like one."""

from __future__ import annotations

import numpy as np

from shared.messages.labelling import FindGroups, FindSimilar, Groups, SimilarImages
from shared.messages.replies import FolderFeatures
from worker.labelling import kmeans
from worker.labelling.folder_rows import image_rows, stack_rows


def find_groups(features: FolderFeatures, order: FindGroups) -> Groups:
    """Groups of stacks, the one with the most images first; in each the most typical stack first.
    A group of none is left out, so there may be fewer than were asked for."""
    rows, sizes = stack_rows(features)
    count = min(order.count or kmeans.count(len(rows)), len(rows))
    of, distances = kmeans.kmeans(rows, count, order.seed)
    images = np.bincount(of, sizes, minlength=count)
    by_group = np.split(np.lexsort((distances, of)), np.cumsum(np.bincount(of, minlength=count)))
    largest = np.argsort(-images, kind="stable")
    return Groups([by_group[group].tolist() for group in largest if images[group]])


def find_similar(features: FolderFeatures, order: FindSimilar) -> SimilarImages:
    """The images most like one, itself among them, with their likeness.

    It is 1 for an equal one and 0 from the distance on that two images of the folder have in the
    mean: rows are centred, so that is twice the mean square of a row.
    """
    rows = image_rows(features).astype(np.float32)
    apart = np.square(rows - rows[order.image]).sum(1)
    mean = 2 * float(np.square(rows).sum(1).mean())
    nearest = np.argsort(apart, kind="stable")[: order.count]
    likeness = np.clip(1 - apart[nearest] / max(mean, 1e-9), 0, 1)
    return SimilarImages(nearest.tolist(), likeness.tolist())
