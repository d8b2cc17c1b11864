"""Predictions of single images, and their text: a line for each, and its labels as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from producer.job.acceptance import Acceptance
from producer.job.row_batch import Row
from producer.present.formatting import counted, one_line
from producer.present.style import (
    BAR_WIDTH,
    LabelBar,
    dim,
    doubtful,
    failed,
    good,
    label_bars,
    paragraphs,
)
from shared.image_status import Status
from shared.messages.files import printable

#: The summary of fewer images has no bars: they are all on the screen.
BARS_FROM = 6


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


class Counts(msgspec.Struct, frozen=True):
    """The numbers of all predictions of a command."""

    failed: int
    labels: dict[str, int]  #: images by label
    doubtful: dict[str, int]  #: of these, the doubtful ones
    judged: int  #: images with a label whose true label is given
    right: int


def lines(predictions: Predictions, top: int) -> Iterator[str]:
    """All predictions, for a terminal."""
    for image in predictions.images:
        yield _headline(image)
        some = _best(image, top)
        width = max((len(one_line(label)) for label, _ in some), default=0)
        for label, p in some:
            bar = "█" * round(p * BAR_WIDTH)
            yield f"  {one_line(label):{width}}  {p:7.2%}  {bar}".rstrip()


def as_json(predictions: Predictions, top: int) -> str:
    """All predictions, for programs."""
    images = [
        {**msgspec.structs.asdict(image), "probabilities": dict(_best(image, top))}
        for image in predictions.images
    ]
    answer = {"model": predictions.model, "images": images, "summary": _counts(predictions)}
    return msgspec.json.encode(answer).decode()


def summary(predictions: Predictions) -> list[str]:
    """Labels of several images as bars, and one line with their numbers, for standard error."""
    all_ = _counts(predictions)
    bars = [LabelBar(label, n, all_.doubtful.get(label, 0)) for label, n in all_.labels.items()]
    numbers = [counted(len(predictions.images), "image"), _failures(predictions.failed)]
    if all_.doubtful:
        numbers.append(doubtful(f"{sum(all_.doubtful.values()):,} doubtful"))
    if all_.judged:
        numbers.append(f"{all_.right} of {all_.judged} right")
    enough = sum(all_.labels.values()) >= BARS_FROM
    shown = label_bars(bars) if enough else []
    return paragraphs(shown and ["", *shown], [", ".join([*numbers, predictions.model])])


def _counts(predictions: Predictions) -> Counts:
    labelled = [image for image in predictions.images if image.status is Status.OK]
    judged = [image.truth == image.label for image in labelled if image.truth]
    return Counts(
        predictions.failed,
        Counter(image.label for image in labelled),
        Counter(image.label for image in labelled if image.doubtful),
        len(judged),
        sum(judged),
    )


def _failures(count: int) -> str:
    text = f"{count:,} failed"
    return failed(text) if count else text


def _best(image: Prediction, top: int) -> list[tuple[str, float]]:
    return list(image.probabilities.items())[:top]


def _headline(image: Prediction) -> str:
    path = one_line(image.path)
    if image.status is not Status.OK:
        return f"{dim(path)}: {failed(str(image.status))}. {image.error}"
    remarks = "".join(f", {remark}" for remark in _remarks(image))
    style = doubtful if image.doubtful else good
    return f"{dim(path)}: {style(one_line(image.label), bold=True)} {image.confidence:.2%}{remarks}"


def _remarks(image: Prediction) -> Iterator[str]:
    if image.flag:
        yield doubtful(image.flag)
    elif image.doubtful:
        yield doubtful("doubtful")
    if image.truth:
        yield "right" if image.truth == image.label else f"wrong: it is {one_line(image.truth)}"
