"""What is right of images without a name, from some that chance drew: unbiased, its range holds in
nine of ten draws, and each file counts once."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from msgspec.structs import replace

from shared.registry import packaged
from tests.support.jobs.decided import line_of
from worker.evaluation import chance_sample
from worker.evaluation.chance_sample import Sample, share_right
from worker.evaluation.heldout_answers import HeldoutAnswers


def test_of_fewer_than_24_nothing_is_stated() -> None:
    for drawn, is_stated in ((23, False), (24, True)):
        sample = Sample(np.ones(drawn, bool), np.full(drawn, 0.9))
        assert (share_right(sample, np.full(9, 0.9)) is not None) == is_stated
    assert share_right(Sample(np.ones(40, bool), np.full(40, 0.9)), np.zeros(0)) is None


@pytest.mark.parametrize(("drawn", "half"), [(28, 0.15), (60, 0.11), (90, 0.09)])
def test_its_range_holds_in_nine_of_ten_draws_though_confidences_are_too_high(
    drawn: int, half: float
) -> None:
    chance = np.random.default_rng(drawn)
    held, errors, halves = 0, [], []
    for _ in range(400):
        true = chance.beta(2, 1, 3000)  # how likely each answer is right
        right, confidences = chance.random(3000) < true, np.sqrt(true)  # too confident
        some = np.arange(3000) < drawn
        share = share_right(Sample(right[some], confidences[some]), confidences[~some])
        assert share is not None
        assert share.drawn == drawn
        held += share.low <= right[~some].mean() <= share.high
        errors.append(share.share - right[~some].mean())
        halves.append((share.high - share.low) / 2)
    assert 0.85 <= held / 400 <= 0.97
    assert abs(np.mean(errors)) < 0.01
    assert np.mean(halves) < half


def test_of_a_version_drawn_files_count_once_and_those_that_it_cannot_name_are_wrong() -> None:
    """Of 40 files with copies of five, 32 are labelled, and 35 were drawn, two of which are left
    out. One more has a label that the version has not learned."""
    names = [bytes([n]) for n in (*range(40), *range(5))]
    digests = np.frombuffer(b"".join(hashlib.sha256(n).digest() for n in names), np.uint8)
    logits = np.tile(np.array([2, 0], np.float32), (45, 1))
    labels = (np.arange(45) % 40 < 10).astype(np.int64)  # ten wrong ones
    answers = HeldoutAnswers(
        np.arange(45, dtype=np.uint64), labels, logits, digests.reshape(-1, 32)
    )
    card = replace(packaged.card(), labels=("a/b", "c"), temperature=1.0)
    files = [
        line_of(bytes([n]), "a_b", by_chance=n < 35) if n < 32
        else line_of(bytes([n]), kind="left-out" if n < 34 else "cannot-tell", by_chance=n < 35)
        for n in range(40)
    ]  # fmt: skip
    files.append(line_of(b"another", "rare", by_chance=True))
    sample = chance_sample.drawn(answers, card, files)
    assert (len(sample.right), int(sample.right.sum())) == (35, 22)
    assert sample.confidences == pytest.approx(np.full(35, 1 / (1 + np.exp(-2))))
    without = HeldoutAnswers(answers.images, labels, logits)
    assert not chance_sample.drawn(without, card, files).right.any()
