"""Predictions of single images, decoded from the results of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from producer.rows.acceptance import Acceptance
from shared.image_status import FLAGS, Flag, Status
from shared.messages.batch import decode_result, numbers


class Prediction(msgspec.Struct, frozen=True):
    """The prediction of one image; without a label if `status` is not `ok`."""

    path: str
    label: str
    confidence: float | None  #: 0 to 1
    status: Status
    error: str  #: the fixed sentence of the status
    flag: str  #: as in the table's column `flag`
    probabilities: dict[str, float]  #: the most probable label first
    truth: str = ""  #: the true label, if given
    doubtful: bool = False  #: flagged, or less confident than accepted answers


class Predictions(msgspec.Struct, frozen=True):
    """The predictions of one version, in the order of the images."""

    model: str
    labels: tuple[str, ...]
    images: list[Prediction]
    paths: tuple[bytes, ...] = ()  #: of the files, as they were opened

    @property
    def failed(self) -> int:
        """The number of images without a label."""
        return sum(image.status is not Status.OK for image in self.images)


class Row(NamedTuple):
    """One image's result: every label's index and probability, the most probable first."""

    name: bytes
    status: Status
    flag: Flag
    indices: Sequence[int]
    values: Sequence[float]


def read_rows(names: list[bytes], data: bytes) -> Iterator[Row]:
    """The rows in the result of a batch of these images. Raises BadMessage for invalid data."""
    result = decode_result(data, len(names))
    indices, values = numbers("H", result.indices), numbers("f", result.probabilities)
    for i, (name, code) in enumerate(zip(names, result.statuses, strict=True)):
        some = slice(i * result.k, (i + 1) * result.k)
        flag = FLAGS[result.flags[i]] if result.flags else Flag.NONE
        yield Row(name, Status.from_code(code), flag, indices[some], values[some])


def prediction(row: Row, labels: Sequence[str], truth: str, rule: Acceptance) -> Prediction:
    """A row with label names instead of indices. What `rule` does not accept is doubtful."""
    path = row.name.decode(errors="backslashreplace")
    if row.status is not Status.OK:
        return Prediction(path, "", None, row.status, row.status.sentence, "", {}, truth)
    by_label = {labels[i]: p for i, p in zip(row.indices, row.values, strict=True)}
    label = next(iter(by_label))
    doubtful = not rule.accepts(row.indices[0], row.values[0], bool(row.flag))
    confidence = by_label[label]
    return Prediction(path, label, confidence, row.status, "", row.flag, by_label, truth, doubtful)
