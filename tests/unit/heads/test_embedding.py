"""Fewer numbers keep what differs between images, the same each time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from worker.heads.linear_head import standardization
from worker.heads.near_duplicates import embedded

Values = npt.NDArray[np.floating]


def drawn(images: int, features: int, rank: int) -> Values:
    chance = np.random.default_rng(1)
    values = chance.standard_normal((images, rank)) @ chance.standard_normal((rank, features))
    return (3 + 5 * values).astype(np.float32)


@pytest.mark.parametrize(("images", "features", "rank"), [(200, 300, 10), (12, 300, 40), (1, 9, 2)])
def test_distances_stay_where_the_components_have_all_of_the_variance(
    images: int, features: int, rank: int
) -> None:
    rows = drawn(images, features, rank)
    few = embedded(rows).astype(np.float64)
    mean, scale = standardization(rows)
    whole = ((rows - mean) * scale).astype(np.float64)

    def apart(values: Values) -> Values:
        distances: Values = np.linalg.norm(values[:, None] - values[None], axis=2)
        return distances

    factor = apart(whole).max() / max(apart(few).max(), 1e-9)
    assert np.allclose(apart(few) * factor, apart(whole), atol=0.01 * max(apart(whole).max(), 1))
