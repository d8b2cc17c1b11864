"""Predictions as text: a line for each image, and its most probable labels as bars."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from producer.output.formatting import counted
from producer.predict.predictions import Prediction, Predictions
from shared.image_status import Status

BAR_WIDTH = 24
#: For terminals whose encoding has no block characters.
PLAIN_BAR = "#"
#: From empty to full in eighths of a character.
_BLOCKS = " ▏▎▍▌▋▊▉█"


def lines(found: Predictions, top: int, encoding: str) -> Iterator[str]:
    """All predictions, for a terminal with this encoding."""
    blocks = _can(encoding)
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


def summary(found: Predictions) -> str:
    """One line for standard error."""
    judged = [image.truth == image.label for image in found.images if image.truth and image.label]
    right = f"{sum(judged)} of {len(judged)} right, " if judged else ""
    images = counted(len(found.images), "image")
    return f"{images}, {found.failed} failed, {right}{found.model}"


def bar(share: float, blocks: bool = True) -> str:
    """A share from 0 to 1 as a bar."""
    if not blocks:
        return PLAIN_BAR * round(share * BAR_WIDTH)
    whole, rest = divmod(round(share * BAR_WIDTH * 8), 8)
    return (_BLOCKS[8] * whole + _BLOCKS[rest]).rstrip()


def _best(image: Prediction, top: int) -> list[tuple[str, float]]:
    return list(image.probabilities.items())[:top]


def _headline(image: Prediction) -> str:
    path = _line(image.path)
    if image.status is not Status.OK:
        return f"{path}: {image.status}. {image.error}"
    remarks = "".join(f", {remark}" for remark in _remarks(image))
    return f"{path}: {_line(image.label)} {image.confidence:.2%}{remarks}"


def _remarks(image: Prediction) -> Iterator[str]:
    if image.flag:
        yield image.flag
    if image.truth:
        yield "right" if image.truth == image.label else f"wrong: it is {_line(image.truth)}"


def _can(encoding: str) -> bool:
    try:
        _BLOCKS.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _line(text: str) -> str:
    """Text without terminal control characters."""
    return text if text.isprintable() else ascii(text)
