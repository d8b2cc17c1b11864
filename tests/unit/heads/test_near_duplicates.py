"""Near-duplicates: what is alike shares a group, whatever the order and the size of the blocks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.heads.linear_head import DAMPING
from worker.heads.near_duplicates import SIMILAR, Groups, groups

seeds = st.integers(0, 2**32 - 1)


def _scenes(rng: np.random.Generator, scenes: int, copies: int) -> np.ndarray:
    """Features float32 [scenes * copies, 256]: slightly different views of random scenes."""
    views = np.repeat(rng.normal(size=(scenes, 256)), copies, axis=0)
    return (views + 0.05 * rng.normal(size=views.shape)).astype(np.float32)


def _partition(found: Groups) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(found == one).tolist()) for one in np.unique(found)}


def _digests(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 2**64, count, np.uint64)


@given(seeds, st.integers(6, 30), st.integers(1, 4))
def test_views_of_one_scene_are_one_group(seed: int, scenes: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    features = _scenes(rng, scenes, copies)
    found = groups(features, _digests(rng, len(features)))
    assert (found.reshape(scenes, copies) == found.reshape(scenes, copies)[:, :1]).all()
    assert len(np.unique(found)) == scenes


@given(seeds, st.integers(3, 40))
def test_groups_are_the_connected_components_of_similar_pairs(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 3)).astype(np.float32)  # chains are common in 3 dimensions
    deviation = features.std(0)
    rows = (features - features.mean(0)) / np.hypot(deviation, DAMPING * np.median(deviation))
    cosines = rows @ rows.T
    lengths = np.sqrt(np.diag(cosines))
    cosines = cosines / lengths / lengths[:, None]
    reached = cosines >= SIMILAR
    if (np.abs(cosines - SIMILAR) < 1e-4).any():  # rounding decides
        return
    for _ in range(count):
        reached = (reached.astype(int) @ reached) > 0
    expected = {frozenset(np.flatnonzero(row).tolist()) for row in reached}
    assert _partition(groups(features, _digests(rng, count))) == expected


def test_equal_contents_are_one_group_whatever_their_features() -> None:
    rng = np.random.default_rng(2)
    digests = np.array([7, 8, 7, 9, 9], np.uint64)
    found = groups(rng.normal(size=(5, 256)).astype(np.float32), digests)
    assert found.tolist() == [0, 1, 0, 2, 2]
    assert groups(np.empty((0, 256), np.float32), digests[:0]).tolist() == []


def test_an_image_like_the_mirror_image_of_another_is_in_its_group() -> None:
    rng = np.random.default_rng(3)
    features, mirrored = rng.normal(size=(2, 20, 256)).astype(np.float32)
    features[7] = mirrored[2]
    found = groups(features, _digests(rng, 20), mirrored=mirrored)
    assert _partition(found) == {frozenset({2, 7})} | {
        frozenset({n}) for n in {*range(20)} - {2, 7}
    }
