"""A dataset check links each copy and near-duplicate to an earlier row, in any order of the
photos in training and test data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from worker.backbones.photo_features import PhotoFeatures
from worker.datasets.split import TEST, TRAINING
from worker.handlers.check_dataset import _in_test, _like

#: The content and the scene of a photo; equal contents show one scene.
photos_of = st.lists(st.integers(0, 5), max_size=12)
SCENES = (0, 0, 0, 1, 1, 2)


def made(contents: list[int]) -> PhotoFeatures:
    count = len(contents)
    blank = np.zeros((count, 1), np.float32)
    return PhotoFeatures(
        [bytes(Path(f"{i}.png")) for i in range(count)],
        np.zeros(count, np.int64),
        np.array([(TRAINING, TEST)[i % 2] for i in range(count)], np.int8),
        np.array([[content] * 32 for content in contents], np.uint8).reshape(count, 32),
        np.array(contents, np.uint64),
        blank,
        blank,
    )


@given(photos_of, st.data())
def test_rows_are_linked_to_earlier_copies_and_near_duplicates(
    contents: list[int], data: st.DataObject
) -> None:
    unreadable = 2
    order = data.draw(st.permutations(range(len(contents) + unreadable)))
    alike = np.array([SCENES[content] for content in contents], np.int64)
    found = _like(order, made(contents), alike)
    for row, i in enumerate(order):
        earlier = [j for j in order[:row] if j < len(contents)] if i < len(contents) else []
        copies = [j for j in earlier if contents[j] == contents[i]]
        near = [j for j in earlier if alike[j] == alike[i]]
        expected = [order.index(j) for j in (*copies, *near)]
        assert found[row] == (expected[0] if expected else -1)


@given(photos_of, st.data())
def test_rows_of_the_test_part_are_tagged(contents: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(contents) + 1)))
    expected = [int(i < len(contents) and i % 2 == 1) for i in order]
    assert list(_in_test(order, made(contents))) == expected
