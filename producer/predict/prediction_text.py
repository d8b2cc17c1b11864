"""Predictions as text: a line for each image, and its most probable labels as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from producer.output.formatting import counted
from producer.predict.predictions import Prediction, Predictions
from producer.summary.form import LabelBar, label_bars, paragraphs
from producer.terminal.bars import bar
from producer.terminal.style import dim, doubtful, failed, good, has_blocks
from shared.image_status import Status

#: The summary of fewer images has no bars: they are all on the screen.
BARS_FROM = 6


def lines(found: Predictions, top: int, encoding: str) -> Iterator[str]:
    """All predictions, for a terminal with this encoding."""
    blocks = has_blocks(encoding)
    for image in found.images:
        yield _headline(image)
        some = _best(image, top)
        width = max((len(_line(label)) for label, _ in some), default=0)
        for label, p in some:
            yield f"  {_line(label):{width}}  {p:7.2%}  {bar(p, blocks)}".rstrip()


def as_json(found: Predictions, top: int) -> str:
    """All predictions, for programs."""
    images = [
        {**msgspec.structs.asdict(image), "probabilities": dict(_best(image, top))}
        for image in found.images
    ]
    return msgspec.json.encode({"model": found.model, "images": images}).decode()


def summary(found: Predictions, encoding: str | None = None) -> list[str]:
    """Labels of several images as bars, and one line with their numbers, for standard error."""
    labelled = [image for image in found.images if image.status is Status.OK]
    counts = Counter(image.label for image in labelled)
    doubts = Counter(image.label for image in labelled if image.doubtful)
    bars = [LabelBar(label, count, doubts[label]) for label, count in counts.items()]
    numbers = [counted(len(found.images), "image"), _failures(found.failed)]
    if doubts:
        numbers.append(doubtful(f"{doubts.total():,} doubtful"))
    judged = [image.truth == image.label for image in labelled if image.truth]
    if judged:
        numbers.append(f"{sum(judged)} of {len(judged)} right")
    shown = label_bars(bars, has_blocks(encoding)) if len(labelled) >= BARS_FROM else []
    return paragraphs(shown and ["", *shown], [", ".join([*numbers, found.model])])


def _failures(count: int) -> str:
    text = f"{count:,} failed"
    return failed(text) if count else text


def _best(image: Prediction, top: int) -> list[tuple[str, float]]:
    return list(image.probabilities.items())[:top]


def _headline(image: Prediction) -> str:
    path = _line(image.path)
    if image.status is not Status.OK:
        return f"{dim(path)}: {failed(str(image.status))}. {image.error}"
    remarks = "".join(f", {remark}" for remark in _remarks(image))
    style = doubtful if image.doubtful else good
    return f"{dim(path)}: {style(_line(image.label), bold=True)} {image.confidence:.2%}{remarks}"


def _remarks(image: Prediction) -> Iterator[str]:
    if image.flag:
        yield doubtful(image.flag)
    elif image.doubtful:
        yield doubtful("doubtful")
    if image.truth:
        yield "right" if image.truth == image.label else f"wrong: it is {_line(image.truth)}"


def _line(text: str) -> str:
    """Text without terminal control characters."""
    return text if text.isprintable() else ascii(text)
