"""The detector: what it flags, that each row depends on its own image, and what a file may hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import SetupError
from worker.classify.outliers import Neighbours, OutlierDetector, decode, encode
from worker.heads.fit_outlier_detector import distances, fit_outlier_detector, neighbours

FALSE_FLAGS = 0.02

seeds = st.integers(0, 2**32 - 1)
#: Ten by day and fifty by night: each fits a detector.
EXAMPLES = settings().max_examples // 4
WIDTHS = (6, 10, 48)
DETECTORS, LEARNED, NEW = 20, 400, 2000


def _like_training(rng: np.random.Generator, count: int) -> np.ndarray:
    """Features float32 [n, 64] with four directions of variation in each part."""
    mixing = np.random.default_rng(11).normal(size=(12, sum(WIDTHS)))
    rows = rng.normal(size=(count, 12)) @ mixing + 0.3 * rng.normal(size=(count, sum(WIDTHS)))
    return (rows + 5).astype(np.float32)


def _fitted(rng: np.random.Generator, count: int = 400) -> OutlierDetector:
    return fit_outlier_detector(_like_training(rng, count), WIDTHS, np.arange(count) % 5).detector


def test_the_promised_share_of_images_like_the_training_images_is_flagged() -> None:
    """Its mean over detectors whose seeds are fixed, since that of one varies by half of it.

    The upper bound is three standard errors: a threshold from LEARNED images, a share of NEW ones.
    Fewer are flagged, since the detector of all images knows more than those of four fifths.
    """
    flagged = []
    for seed in range(DETECTORS):
        rng = np.random.default_rng(seed)
        flagged.append(_fitted(rng, LEARNED).are_outliers(_like_training(rng, NEW)).mean())
    variance = FALSE_FLAGS * (1 - FALSE_FLAGS) * (1 / LEARNED + 1 / NEW) / DETECTORS
    assert FALSE_FLAGS / 2 < np.mean(flagged) < FALSE_FLAGS + 3 * np.sqrt(variance)


@settings(max_examples=EXAMPLES)
@given(seeds, st.integers(0, len(WIDTHS) - 1))
def test_images_that_differ_in_one_part_alone_are_flagged(seed: int, part: int) -> None:
    rng = np.random.default_rng(seed)
    detector, others = _fitted(rng), _like_training(rng, 200)
    start = sum(WIDTHS[:part])
    others[:, start : start + WIDTHS[part]] = 5 + 20 * rng.normal(size=(200, WIDTHS[part]))
    assert detector.are_outliers(others).mean() > 0.95


@settings(max_examples=EXAMPLES)
@given(seeds)
def test_images_in_a_direction_that_no_training_image_has_are_flagged(seed: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = rng.normal(size=(41, WIDTHS[-1]))
    images, new = _like_training(rng, 400), _like_training(rng, 100)
    for rows, chosen in ((images, np.arange(400) % 40), (new, 40)):
        rows[:, -WIDTHS[-1] :] = subjects[chosen] + 0.3 * rng.normal(size=(len(rows), WIDTHS[-1]))
    detector = fit_outlier_detector(images, WIDTHS, np.arange(400) // 40 % 5).detector
    assert detector.are_outliers(new).mean() > 0.95
    angles = detector.neighbours.angles(new)
    assert (angles > detector.usual[1] + detector.spans[1]).mean() > 0.95


# NumPy reported it once for finite matrices. The values are compared: NaN fails.
@pytest.mark.filterwarnings("ignore:invalid value encountered in matmul")
@settings(max_examples=EXAMPLES)
@given(seeds, st.integers(1, 200))
def test_an_angle_is_that_to_the_third_nearest_image(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    rows, new = (rng.normal(size=(n, 5)).astype(np.float32) for n in (count, 10))
    near = Neighbours(np.zeros(5, np.float32), np.ones(5, np.float32), np.eye(5, dtype="f4"), rows)
    near = near._replace(known=rows / np.linalg.norm(rows, axis=1, keepdims=True))
    cosines = new / np.linalg.norm(new, axis=1, keepdims=True) @ near.known.T
    expected = 1 - np.sort(cosines, axis=1)[:, ::-1][:, min(2, count - 1)]
    np.testing.assert_allclose(near.angles(new), expected, atol=1e-5)


@settings(max_examples=EXAMPLES)
@given(seeds, st.integers(1, 40))
def test_a_row_has_the_same_bits_in_batches_of_any_size(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    detector, images = _fitted(rng, 60), _like_training(rng, count)
    single = np.concatenate([detector.scores(image[None]) for image in images])
    assert detector.scores(images).tobytes() == single.tobytes()


def test_a_feature_that_all_training_images_share_tells_nothing() -> None:
    images = _like_training(np.random.default_rng(1), 100)
    images[:, 0] = 7
    other = images[:5].copy()
    other[:, 0] = 8
    images[:, -10:-3], other[:, -10:-3] = 0, 5  # fewer features vary than there are directions
    near = neighbours(images, 10)
    np.testing.assert_array_equal(near.angles(other), near.angles(images[:5]))
    known = distances(images, WIDTHS)
    np.testing.assert_array_equal(known.logs(other), known.logs(images[:5]))


def test_the_threshold_comes_from_images_of_the_fold_that_was_left_out() -> None:
    rng = np.random.default_rng(1)
    images, folds = _like_training(rng, 100), np.arange(100) % 5
    detector, found = fit_outlier_detector(images, WIDTHS, folds)
    scores = np.empty(100)
    for fold in range(5):
        left = images[folds != fold]
        alone = detector._replace(
            distances=distances(left, WIDTHS), neighbours=neighbours(left, WIDTHS[-1])
        )
        scores[folds == fold] = alone.scores(images[folds == fold])
    assert np.count_nonzero(scores > detector.threshold) <= 2
    np.testing.assert_allclose(np.sort(scores)[-2], detector.threshold)
    np.testing.assert_allclose(found, scores)


def test_a_file_gives_the_detector_back() -> None:
    rng = np.random.default_rng(3)
    detector, images = _fitted(rng, 60), _like_training(rng, 10)
    found = decode(encode(detector), sum(WIDTHS))
    assert found.scores(images).tobytes() == detector.scores(images).tobytes()
    assert found.threshold == detector.threshold


@pytest.fixture(scope="module")
def good() -> bytes:
    """The file of a detector."""
    return encode(_fitted(np.random.default_rng(4), 20))


@given(st.data())
def test_a_damaged_file_is_an_error_of_one_line(good: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(good) - 1))
    bad = [good[:place], good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]]
    line = ""
    try:
        decode(data.draw(st.sampled_from(bad)), sum(WIDTHS))
    except SetupError as error:  # a value may be damaged unnoticed: the card's hash notices
        line = str(error)
    assert "\n" not in line


def test_a_file_for_other_features_is_refused() -> None:
    data = encode(_fitted(np.random.default_rng(5), 20))
    with pytest.raises(SetupError, match="publish the model again"):
        decode(data, sum(WIDTHS) + 1)
