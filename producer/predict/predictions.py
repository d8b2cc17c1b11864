"""What single pictures were taken for, from the answers to a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from producer.output.csv_table import numbers
from shared.image_status import FLAGS, Flag, Status
from shared.messages.batch import decode_result


class Prediction(msgspec.Struct, frozen=True):
    """What one picture was taken for. Without a label where `status` is not `ok`."""

    path: str
    label: str
    confidence: float | None  #: 0 to 1
    status: Status
    error: str  #: the fixed sentence of the status
    flag: str  #: what is odd about it, as in the table
    probabilities: dict[str, float]  #: the most probable label first
    truth: str = ""  #: what it is, where that was told


class Predictions(msgspec.Struct, frozen=True):
    """The answers of one version, in the order of the pictures."""

    model: str
    labels: tuple[str, ...]
    images: list[Prediction]

    @property
    def failed(self) -> int:
        """How many have no label."""
        return sum(image.status is not Status.OK for image in self.images)


class Row(NamedTuple):
    """One picture's answer: every label's number and probability, the most probable first."""

    name: bytes
    status: Status
    flag: Flag
    indices: Sequence[int]
    values: Sequence[float]


def read_rows(names: list[bytes], data: bytes) -> Iterator[Row]:
    """The answers to a batch of these pictures. Raises BadMessage for what is no result."""
    result = decode_result(data, len(names))
    indices, values = numbers("H", result.indices), numbers("f", result.probabilities)
    for i, (name, code) in enumerate(zip(names, result.statuses, strict=True)):
        some = slice(i * result.k, (i + 1) * result.k)
        flag = FLAGS[result.flags[i]] if result.flags else Flag.NONE
        yield Row(name, Status.from_code(code), flag, indices[some], values[some])


def prediction(row: Row, labels: Sequence[str], truth: str) -> Prediction:
    """The same with names instead of numbers."""
    path = row.name.decode(errors="backslashreplace")
    if row.status is not Status.OK:
        return Prediction(path, "", None, row.status, row.status.sentence, "", {}, truth)
    by_label = {labels[i]: p for i, p in zip(row.indices, row.values, strict=True)}
    label = next(iter(by_label))
    return Prediction(path, label, by_label[label], row.status, "", row.flag, by_label, truth)
