"""Predictions as text: bars of the right length, escaped names, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import msgspec
from hypothesis import given
from hypothesis import strategies as st

from producer.predict.predictions import Prediction, Predictions, as_json
from producer.predict.predictions import lines as styled_lines
from shared.image_status import Status


def lines(*given: Any) -> Iterator[str]:
    return map(click.unstyle, styled_lines(*given))


LABELS = ("Bag", "Ankle boot", "Coat")


def found(*images: Prediction) -> Predictions:
    return Predictions("m@1", LABELS, list(images))


def good(path: str = "a.png", truth: str = "", flag: str = "") -> Prediction:
    best = {"Coat": 0.75, "Bag": 0.25, "Ankle boot": 0.0}
    return Prediction(path, "Coat", 0.75, Status.OK, "", flag, best, truth)


def bad(path: str = "b.png") -> Prediction:
    status = Status.UNREADABLE
    return Prediction(path, "", None, status, status.sentence, "", {})


def test_an_image_has_a_line_with_its_best_labels_below() -> None:
    assert list(lines(found(good(), bad()), 2)) == [
        "a.png: Coat 75.00%",
        "  Coat   75.00%  ██████████████████",
        "  Bag    25.00%  ██████",
        "b.png: unreadable. The file is empty, damaged or not readable.",
    ]


@given(st.text(), st.text(min_size=1))
def test_names_and_labels_cannot_control_a_terminal(path: str, label: str) -> None:
    image = Prediction(path, label, 1.0, Status.OK, "", "", {label: 1.0}, label)
    for line in lines(found(image), 1):
        assert line.isprintable()


def test_json_has_numbers_and_the_requested_number_of_labels() -> None:
    decoded = msgspec.json.decode(as_json(found(good(), bad()), 2))
    assert decoded["model"] == "m@1"
    assert decoded["images"][0]["probabilities"] == {"Coat": 0.75, "Bag": 0.25}
    assert decoded["images"][1]["confidence"] is None
    assert [image["status"] for image in decoded["images"]] == ["ok", "unreadable"]
