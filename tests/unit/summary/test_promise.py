"""A table carries its version's promise of precision, unless its rows are clearly more doubtful or
flagged than the version's held-out images were."""

from __future__ import annotations

import os
import random
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.inputs.job_options import JobOptions
from producer.journal.totals import AcceptedShare, AnswerCounts
from producer.summary.promise import LabelledRows, as_promised, train_command, withdrawn
from shared.messages.model_card import IMPORTED, Card
from shared.registry import learned_corrections, packaged

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


def test_a_model_of_ones_own_is_trained_again_with_such_images_in_its_folders() -> None:
    rows = LabelledRows(300, 290, 290)
    shipped = withdrawn(of_held_out(0.05), rows, OPTIONS)
    own = withdrawn(msgspec.structs.replace(of_held_out(0.05), name="clothes"), rows, OPTIONS)
    assert shipped is not None
    assert own is not None
    assert shipped.advice == "train your own"
    assert own.advice == "add some to its folders"
    assert own.train == "hangtag train DIR"
    foreign = msgspec.structs.replace(of_held_out(0.05, 0), name="clothes", recipe=IMPORTED)
    elsewhere = withdrawn(foreign, rows, OPTIONS)
    assert elsewhere is not None
    assert elsewhere.train.startswith("hangtag models import MODEL.keras --name clothes")
    assert elsewhere.train.endswith("--data DIR")


def test_more_of_the_images_are_named_for_a_version_of_labels(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    of_labels = {"source": "", "files": {learned_corrections.FILE: "0"}, "name": "photos"}
    card = msgspec.structs.replace(of_held_out(0.05), **of_labels)
    options = JobOptions((b"in",), os.fsencode(tmp_path), "out.csv")
    doubtful = withdrawn(card, LabelledRows(300, 290, 0), options)
    assert doubtful is not None
    assert doubtful.train == f"hangtag label {tmp_path}/in"
    assert doubtful.advice == "name more of them"
    assert "of the images without a label were" in doubtful.why
    points = msgspec.structs.replace(
        card.operating_points[1], thresholds=(None,) * len(card.labels)
    )
    at_95 = msgspec.structs.replace(card, operating_points=(card.operating_points[0], points))
    asked = withdrawn(at_95, LabelledRows(300, 0, 0), options, 0.95)
    assert asked is not None
    assert asked.why.startswith("at 95% photos@")
    assert withdrawn(at_95, LabelledRows(300, 0, 0), options, 0.90) is None
    archive = JobOptions((b"in.zip",), os.fsencode(tmp_path), "out.csv")
    elsewhere = withdrawn(at_95, LabelledRows(300, 0, 0), archive, 0.95)
    assert elsewhere is not None
    assert elsewhere.train == "hangtag label DIR"
    none = withdrawn(
        msgspec.structs.replace(card, operating_points=()), LabelledRows(300, 0, 0), options
    )
    assert none is not None
    assert "is sure of no image without a label" in none.why


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


def test_many_rows_do_not_lose_it_for_a_small_difference() -> None:
    assert keeps(of_held_out(0.17), 1_000_000, 200_000)
    assert keeps(of_held_out(0.17), 1_000_000, 170_000, 30_000)


def test_a_few_rows_do_not_lose_it_by_chance() -> None:
    assert keeps(of_held_out(0.17), 20, 7)
    assert keeps(of_held_out(0.17), 20, 6, 3)
    assert keeps(of_held_out(0.17), 3, 3)


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


def test_the_command_names_class_folders_where_there_are_some(tmp_path: Path) -> None:
    def typed(*roots: bytes) -> str:
        return train_command(JobOptions(roots, os.fsencode(tmp_path), "out.csv"))

    for name in ("cats", "dogs", "flat"):
        (tmp_path / "my photos" / name).mkdir(parents=True)
    assert typed(b"my photos") == "hangtag train DIR"
    for name in ("cats", "dogs"):
        (tmp_path / "my photos" / name / "1.JPG").touch()
    assert typed(b"my photos") == f"hangtag train '{tmp_path}/my photos'"
    assert (
        typed(b"my photos/cats")
        == typed(b"my photos", b"more")
        == typed(b"no")
        == typed()
        == "hangtag train DIR"
    )
