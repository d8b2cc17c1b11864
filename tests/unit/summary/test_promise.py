"""A table carries its version's promise of precision, unless its rows are clearly more doubtful or
flagged than the version's held-out images were."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.inputs.job_options import JobOptions
from producer.journal.totals import AcceptedShare, AnswerCounts
from producer.summary.promise import LabelledRows, as_promised, withdrawn
from shared.messages.model_card import Card
from shared.registry import packaged

FLAGGED = 0.02
CARD = packaged.card()
OPTIONS = JobOptions((b"in",), b"/", "/out.csv")


def of_held_out(doubtful: float, count: int = 5_000) -> Card:
    """A card whose held-out images were doubtful to this share."""
    points = tuple(
        msgspec.structs.replace(point, accepted=1 - doubtful) for point in CARD.operating_points
    )
    metrics = msgspec.structs.replace(CARD.metrics, heldout_count=count)
    return msgspec.structs.replace(CARD, operating_points=points, metrics=metrics)


def keeps(card: Card, rows: int, doubtful: int, flagged: int = 0) -> bool:
    return withdrawn(card, LabelledRows(rows, doubtful, flagged), OPTIONS) is None


@given(
    st.integers(0, 2**32), st.integers(1, 3_000), st.floats(0.01, 0.95),
    st.integers(40, 5_000),
)  # fmt: skip
def test_rows_like_the_held_out_images_keep_the_promise(
    seed: int, rows: int, share: float, held: int
) -> None:
    """Also where these are mostly doubtful."""
    chance = random.Random(seed)
    doubtful = sum(chance.random() < share for _ in range(rows))
    flagged = sum(chance.random() < FLAGGED for _ in range(rows))
    kept = round(share * held) / held
    assert keeps(of_held_out(kept, held), rows, max(doubtful, flagged), flagged)


@pytest.mark.parametrize("held_out", [0.05, 0.17, 0.5, 0.8])
@pytest.mark.parametrize("rows", [300, 10_000, 1_000_000])
def test_rows_of_which_most_more_are_doubtful_lose_it(held_out: float, rows: int) -> None:
    odds = 5 * held_out / (1 - held_out)
    assert not keeps(of_held_out(held_out), rows, round(rows * odds / (1 + odds)))


@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
def test_rows_of_which_clearly_more_are_flagged_lose_it(rows: int) -> None:
    card = of_held_out(0.17)
    assert not keeps(card, rows, round(0.2 * rows), round(0.15 * rows))


def test_a_version_without_held_out_answers_promises_nothing() -> None:
    for card in (
        msgspec.structs.replace(CARD, operating_points=()),
        of_held_out(0.17, count=0),
    ):
        found = withdrawn(card, LabelledRows(1_000, 0, 0), OPTIONS)
        assert found is not None
        assert "held-out" in found.why


def test_without_a_promise_no_figure_of_a_precision_is_left() -> None:
    accepted = AcceptedShare(10, 0.97, 0.95)
    answers = AnswerCounts({"Bag": 100}, {"Bag": 90}, 0.98, accepted=accepted)
    found = as_promised(answers, 0, CARD, OPTIONS)
    assert found.withdrawn is not None
    assert found.precision is None
    assert found.accepted == AcceptedShare(10, None, 0.95)
    like = msgspec.structs.replace(answers, doubtful={"Bag": 17})
    assert as_promised(like, 0, CARD, OPTIONS) == like
