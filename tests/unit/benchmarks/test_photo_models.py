"""The benchmark of photo models: which photos it takes, and the area under the ROC curve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.photo_models import area, sample

scores = st.lists(st.integers(0, 5), min_size=1, max_size=12)


@given(scores, scores)
def test_the_area_is_the_share_of_pairs_in_order(like: list[int], other: list[int]) -> None:
    pairs = [(a < b) + (a == b) / 2 for a in like for b in other]
    found = area(np.array(like, float), np.array(other, float))
    assert found == pytest.approx(sum(pairs) / len(pairs))


def test_a_larger_sample_contains_the_smaller_one_and_the_test_photos(tmp_path: Path) -> None:
    for name in [*(f"train/bag/{n}.jpg" for n in range(9)), "train/hat/0.jpg", "test/bag/1.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    files = []
    for count in (3, 5, 0):
        sample(tmp_path, tmp_path / str(count), count, seed=1)
        files.append({path.read_text() for path in (tmp_path / str(count)).rglob("*.jpg")})
    assert [len(found) for found in files] == [3 + 1 + 1, 5 + 1 + 1, 9 + 1 + 1]
    assert files[0] < files[1] < files[2]
