"""The order to `python -m worker.prediction_plot`, on its standard input: images with their
predictions. A PNG file comes out."""

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


def encode(order: Order) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(order)


def decode(data: bytes) -> Order:
    """The inverse of `encode`."""
    return msgspec.msgpack.decode(data, type=Order)
