"""The order to `python -m worker.prediction_plot`: images with their predictions. The reply is a
PNG file."""

from __future__ import annotations

import msgspec


class Drawn(msgspec.Struct, frozen=True):
    """One image, and its prediction if it has a label."""

    title: str
    picture: bytes  #: WebP; empty where there is none
    why: str  #: there is no picture
    caption: str = ""
    probabilities: tuple[float, ...] = ()  #: of each label
    truth: int | None = None  #: the true label, if it is known


class Order(msgspec.Struct, frozen=True):
    """What to draw."""

    labels: tuple[str, ...]
    images: tuple[Drawn, ...]
