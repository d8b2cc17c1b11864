"""`hangtag models import`: one's own Keras classifier is sent to the owner of the store."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from producer.models.train import summary
from producer.requests.client import make_request
from producer.requests.submit import data_place, submit
from shared.errors import UsageError
from shared.messages.model_name import NAME
from shared.messages.replies import Trained
from shared.messages.requests import Import
from shared.settings import Settings

SUFFIX = ".keras"
#: It travels through Redis, as the images do that a message is about.
MAX_FILE_BYTES = 64 << 20
MAX_LABELS = 10_000
MAX_LABEL_CHARS = 200
Scale = Literal["0-255", "0-1", "-1-1"]
Rule = Literal["if-better", "always", "never"]


def import_model(
    settings: Settings,
    file: Path,
    labels: Path,
    *,
    name: str,
    scale: Scale,
    data: str = "",
    promote: Rule = "never",
    quiet: bool = False,
) -> Trained:
    """Publish the classifier in a `.keras` file; `labels` names its answers, one a line.

    Raises:
        UsageError: a file is none of these, or too large, or a name cannot be one.
        SetupError: the network is refused; or as `ask`.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r:.80} cannot be a model; use small letters and digits")
    archive = _read(file, MAX_FILE_BYTES)
    if file.suffix != SUFFIX:
        raise UsageError(f"{file} is no {SUFFIX} file; save it with model.save('model{SUFFIX}')")
    work = Import(
        name=name,
        labels=read_labels(labels),
        sha256=hashlib.sha256(archive).hexdigest(),
        scale=scale,
        promote=promote,
        data=data_place(data, settings) if data else "",
    )
    return submit(settings, make_request(work), input=archive, quiet=quiet).decode(Trained)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels in the order of the network's answers, one a line, UTF-8.

    Raises:
        UsageError: the file is no such list.
    """
    try:
        text = _read(path, MAX_LABELS * MAX_LABEL_CHARS).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; save the labels as UTF-8, one a line") from None
    labels = tuple(line.strip() for line in text.strip().splitlines())
    if not 2 <= len(labels) <= MAX_LABELS:
        raise UsageError(f"{path} has {len(labels)} labels; give 2 to {MAX_LABELS:,}, one a line")
    for number, label in enumerate(labels, 1):
        if not label or len(label) > MAX_LABEL_CHARS or not label.isprintable():
            raise UsageError(f"line {number} of {path} is no label; give one word or name a line")
        if label in labels[: number - 1]:
            raise UsageError(f"{path} has {label!r} twice; give each answer a name of its own")
    return labels


def lines(trained: Trained) -> Iterator[str]:
    """What came of it, for a person."""
    for line in summary(trained):
        if trained.metrics.heldout_count or not line.startswith("held-out accuracy"):
            yield line
        else:
            yield "not evaluated, not calibrated; give labelled images with --data to have both"


def _read(path: Path, limit: int) -> bytes:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UsageError(f"{path} is no file; name one")
        if info.st_size > limit:
            raise UsageError(f"{path} has {info.st_size:,} bytes, more than {limit:,}; too large")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; check the path") from None
