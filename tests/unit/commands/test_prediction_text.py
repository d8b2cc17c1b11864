"""Predictions as text: bars of the right length, escaped names, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
from hypothesis import given
from hypothesis import strategies as st

from producer.predict.predictions import Prediction, Predictions
from producer.predict.predictions import lines as styled_lines
from shared.image_status import Status


def lines(*given: Any) -> Iterator[str]:
    return map(click.unstyle, styled_lines(*given))


LABELS = ("Bag", "Ankle boot", "Coat")


def found(*images: Prediction) -> Predictions:
    return Predictions("m@1", LABELS, list(images))


@given(st.text(), st.text(min_size=1))
def test_names_and_labels_cannot_control_a_terminal(path: str, label: str) -> None:
    image = Prediction(path, label, 1.0, Status.OK, "", "", {label: 1.0}, label)
    for line in lines(found(image), 1):
        assert line.isprintable()
