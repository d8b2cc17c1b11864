"""Predictions of single images."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from producer.rows.acceptance import Acceptance
from producer.rows.row_batch import Row
from shared.image_status import Status
from shared.messages.files import printable


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


def named(predictions: Predictions, files: Sequence[bytes], images: Sequence[bytes]) -> Predictions:
    """The predictions of files with the names of the images that are in them."""
    pairs = zip(predictions.images, files, images, strict=True)
    by_name = [
        one if file == image else msgspec.structs.replace(one, path=printable(image))
        for one, file, image in pairs
    ]
    return msgspec.structs.replace(predictions, images=by_name)


def prediction(row: Row, labels: Sequence[str], truth: str, rule: Acceptance) -> Prediction:
    """A row with label names instead of indices. What `rule` does not accept is doubtful."""
    path = row.name.decode(errors="backslashreplace")
    if row.has_failed:
        return Prediction(
            path=path,
            label="",
            confidence=None,
            status=row.status,
            error=row.status.sentence,
            flag="",
            probabilities={},
            truth=truth,
        )
    by_label = dict(row.named(labels))
    label, confidence = next(iter(by_label.items()))
    doubtful = not rule.accepts(row.label, row.confidence, bool(row.flag))
    return Prediction(
        path=path,
        label=label,
        confidence=confidence,
        status=row.status,
        error="",
        flag=row.flag,
        probabilities=by_label,
        truth=truth,
        doubtful=doubtful,
    )
