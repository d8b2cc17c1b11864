"""`hangtag models import`: sends a user's Keras classifier to the trainer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

from producer.models.train import evaluations, summary
from producer.present.events import Events
from producer.requests.check_class_folders import check_class_folders
from producer.requests.client import make_request
from producer.requests.submit import data_place, submit
from shared import regular_file
from shared.errors import UsageError
from shared.messages.model_name import NAME
from shared.messages.replies import Trained
from shared.messages.requests import Import
from shared.messages.training import Rule
from shared.settings import Settings
from shared.stop import Stop

SUFFIX = ".keras"
#: The file is sent through Redis, like images.
MAX_FILE_BYTES = 64 << 20
MAX_LABELS = 10_000
MAX_LABEL_CHARS = 200
_SAVE = f"model.save('model{SUFFIX}')"
#: How to get a file that can be imported, by the ending of what was named.
_ADVICE = {
    suffix: f"model = keras.models.load_model('model{suffix}') loads it in Keras 3, then {_SAVE}"
    for suffix in (".h5", ".hdf5")
} | {
    ".tflite": f"it has no Keras network: save the one it was converted from with {_SAVE}",
    ".onnx": f"it has no Keras network: build the network in Keras, set its weights, then {_SAVE}",
    ".pb": f"it has no Keras network: save the one it was exported from with {_SAVE}",
}
_OTHER = f"save the network with {_SAVE}"
Scale = Literal["0-255", "0-1", "-1-1"]
#: Values as images have them.
WHOLE: Scale = "0-255"
Precision = Literal["auto", "fp32", "int8"]


def import_model(
    settings: Settings,
    file: Path,
    labels: Path,
    *,
    name: str,
    scale: Scale,
    data: str = "",
    promote: Rule = "never",
    precision: Precision = "auto",
    events: Events | None = None,
    stop: Stop | None = None,
) -> Trained:
    """Publish the classifier in a `.keras` file; the file `labels` names its outputs.

    Raises:
        UsageError: a file has the wrong type or is too large, the name is invalid, or int8 is
            requested without `data`.
        SetupError, Stopped: the network is refused; or as `submit`.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r:.80} cannot be a model; use small letters and digits")
    if precision == "int8" and not data:
        raise UsageError(
            "--precision int8 needs labelled images; name them with --data DIR, "
            "or leave out --precision"
        )
    archive = _read(file, MAX_FILE_BYTES)
    if file.suffix != SUFFIX:
        raise UsageError(f"{file} is not a {SUFFIX} file; {_ADVICE.get(file.suffix, _OTHER)}")
    place = data_place(data, settings) if data else ""
    if place:
        check_class_folders(place, "evaluate", settings, events=events, stop=stop)
    work = Import(
        name=name,
        labels=read_labels(labels),
        sha256=hashlib.sha256(archive).hexdigest(),
        scale=scale,
        promote=promote,
        data=place,
        precision=precision,
    )
    outcome = submit(settings, make_request(work), input=archive, events=events, stop=stop)
    return outcome.decode(Trained)


def read_labels(path: Path) -> tuple[str, ...]:
    """Labels in the order of the network's outputs, one per line, UTF-8.

    Raises:
        UsageError: the file is not such a list.
    """
    try:
        text = _read(path, MAX_LABELS * MAX_LABEL_CHARS).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; save the labels as UTF-8, one per line") from None
    labels = tuple(line.strip() for line in text.strip().splitlines())
    if not 2 <= len(labels) <= MAX_LABELS:
        raise UsageError(f"{path} has {len(labels)} labels; give 2 to {MAX_LABELS:,}, one per line")
    for number, label in enumerate(labels, 1):
        if not label or len(label) > MAX_LABEL_CHARS or not label.isprintable():
            raise UsageError(f"line {number} of {path} is not a label; give one label per line")
        if label in labels[: number - 1]:
            raise UsageError(f"{path} has {label!r} twice; give each output its own label")
    return labels


def lines(trained: Trained, settings: Settings, scale: Scale, room: int | None = None) -> list[str]:
    """The result of an import as lines of text."""
    training = summary(trained, evaluations(settings, trained.model), room)
    if trained.metrics.heldout_count:
        return training
    lacks = "not evaluated and not calibrated; for both, give labelled images with --data"
    wrong = "its images have values of 0 to 255; for a network that learned from x/255: --scale 0-1"
    return [training[0], lacks, *([wrong] if scale == WHOLE else []), *training[1:]]


def _read(path: Path, limit: int) -> bytes:
    try:
        with regular_file.open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            data = b"" if size > limit else file.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; check the path") from None
    if max(size, len(data)) > limit:
        raise UsageError(f"{path} has {size:,} bytes; the limit is {limit:,}")
    return data
