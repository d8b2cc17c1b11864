"""The detector's flag: for images that were decoded and have no other flag, and no others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.image_status import Flag, Status
from worker.inference.outlier_detector import OutlierDetector
from worker.inference.predictions import DecodedBatch, with_outliers
from worker.photo_head.fit_outlier_detector import fit_outlier_detector

FEATURES = 8


def _detector() -> OutlierDetector:
    images = np.random.default_rng(0).normal(size=(60, FEATURES)).astype(np.float32)
    return fit_outlier_detector(images, (FEATURES,), np.arange(60) % 5).detector


DETECTOR = _detector()


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, Status.UNREADABLE.code)),
            st.sampled_from((0, Flag.BUSY_BACKGROUND.code)),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_an_outlier_is_flagged_unless_it_failed_or_has_a_flag(
    rows: list[tuple[int, int, bool]],
) -> None:
    codes, flags = bytes(row[0] for row in rows), bytes(row[1] for row in rows)
    far = np.array([row[2] for row in rows], bool)
    features = np.where(far[:, None], 100, 0.1).astype(np.float32) * np.ones(FEATURES, np.float32)
    images = np.zeros((len(rows), 1, 1, 1), np.uint8)
    batch = DecodedBatch(images, codes, flags if any(flags) else b"")
    found = with_outliers(DETECTOR, features, batch).flags
    expected = bytes(
        flag or (Flag.UNLIKE_TRAINING.code if outlier and not code else 0)
        for code, flag, outlier in rows
    )
    assert found == (expected if any(expected) else b"")
